"""Checks of an audit, and the experiments that it consists of."""

from collections.abc import Mapping, Sequence
from typing import Any

from vfl_jax.config import entries
from vfl_jax.results.answers import recommendation


def audit(
  section: Mapping[str, Any], base: Mapping[str, Any], stages: int
) -> None:
  """Check the section `audit` of a config.

  Args:
    section: the section.
    base: config of the experiment to audit.
    stages: number of stages of its model.

  Raises:
    ValueError: a cut does not exist or is named twice, the defences include a
      cut, the side to protect is unknown, or a limit is out of range.
  """
  for entry in (base["defenses"], *map(_several, section["defenses"])):
    if "cut" in [name for name, _ in entries.pieces(entry)]:
      raise ValueError(
        "an audit tries every cut by itself; leave 'cut' out of the defenses."
      )
  for cut in section["cuts"]:
    if not isinstance(cut, int) or not 0 <= cut <= stages:
      raise ValueError(
        f"audit.cuts has {cut!r}; the model has {stages} stages, so take 0 to "
        f"{stages}, or () for all."
      )
  if len(set(section["cuts"])) < len(section["cuts"]):
    raise ValueError(f"audit.cuts is {section['cuts']}; name each once.")
  if section["protect"] not in recommendation.PROTECT:
    raise ValueError(
      f"audit.protect is {section['protect']!r}; take one of "
      f"{', '.join(recommendation.PROTECT)}."
    )
  for name in ("max_utility_loss", "max_leakage", "max_exposed"):
    if not 0 <= section[name] <= 1:
      raise ValueError(
        f"audit.{name} is {section[name]}; take a share in [0, 1], 1 for any."
      )
  for name in ("max_bytes", "workers"):
    if section[name] < 0:
      raise ValueError(
        f"audit.{name} is {section[name]}; it must be at least 0."
      )


def options(
  section: Mapping[str, Any], base: Mapping[str, Any], stages: int
) -> list[dict[str, Any]]:
  """The cells of an audit's study: every defence at every cut.

  The first cell is the reference: the cut and the defences of the base. If the
  base records no messages, the cells record those of the first, the middle and
  the last epoch.

  Args:
    section: the section `audit` of the config.
    base: config of the experiment to audit.
    stages: number of stages of its model.
  """
  cuts = list(section["cuts"]) or list(range(stages + 1))
  usual = base["model"]["cut"]
  cuts = [usual, *(cut for cut in cuts if cut != usual)]
  last = base["train"]["epochs"] - 1
  epochs = base["record"]["epochs"] or tuple(sorted({0, last // 2, last}))
  base_defenses = tuple(base["defenses"])
  return [
    {
      "labels": {"cut": cut, "defense": in_words(extra)},
      "base": "own",
      "set": {
        "model.cut": cut,
        "defenses": (*base_defenses, *extra),
        "record.epochs": epochs,
      },
    }
    for extra in ((), *map(_several, section["defenses"]))
    for cut in cuts
  ]


def in_words(defenses: Sequence[Any]) -> str:
  """Defences in words; "none" if there are none.

  >>> in_words(({"name": "gaussian", "scale": 0.1}, "sign"))
  'gaussian (scale=0.1) and sign'
  """
  names = [entries.label(*piece) for piece in entries.pieces(defenses)]
  return " and ".join(names) or "none"


def _several(entry) -> tuple:
  return tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)
