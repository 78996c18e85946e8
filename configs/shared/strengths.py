"""The defences that studies compare, each over its range of strengths."""

from collections.abc import Mapping
from typing import Any

from configs.shared import studies
from vfl_jax.config import adaptive

# the weakest first
STRENGTHS: dict[str, tuple[dict[str, Any], ...]] = {
  "gaussian": ({"scale": 0.001}, {"scale": 0.01}, {"scale": 0.1}),
  "laplace": ({"scale": 0.001}, {"scale": 0.01}, {"scale": 0.1}),
  "isotropic": ({"ratio": 0.3}, {"ratio": 1.0}, {"ratio": 3.0}),
  "max_norm": ({"noise": "along"}, {"noise": "isotropic"}),
  "perpendicular": ({"high": 3.0}, {"high": 10.0}),
  "grad_perturb": ({"epsilon": 10.0}, {"epsilon": 3.0}, {"epsilon": 1.0}),
  "marvell": ({"strength": 0.1}, {"strength": 1.0}, {"strength": 10.0}),
  "compression": ({"share": 0.5}, {"share": 0.25}, {"share": 0.1}),
  "sparsification": ({"share": 0.5}, {"share": 0.25}, {"share": 0.1}),
  "discrete": ({"bins": 24}, {"bins": 12}, {"bins": 6}),
  "sign": ({},),
  "ppdl": ({"share": 0.75}, {"share": 0.25}),
  "average": ({},),
  "label_dp": ({"epsilon": 4.0}, {"epsilon": 2.0}, {"epsilon": 1.0}),
  "kdk": ({"epsilon": 0.15}, {"epsilon": 0.3}, {"epsilon": 0.65}),
  "cae": ({"confusion": 0.5}, {"confusion": 1.0}, {"confusion": 2.0}),
  "dcae": ({"confusion": 1.0},),
  "lcd": ({"weight": 1.0}, {"weight": 10.0}),
  "mid": ({"weight": 0.001}, {"weight": 0.01}, {"weight": 0.1}),
  "dcor": ({"weight": 0.01}, {"weight": 0.1}, {"weight": 1.0}),
  "peloss": ({"weight": 0.2}, {"weight": 2.0}),
  "adversarial": ({"weight": 0.1}, {"weight": 1.0}, {"weight": 10.0}),
  "mixup": ({"alpha": 0.2}, {"alpha": 1.0}),
  "fedpass": ({},),
}
_MANY_CLASSES, _TWO_CLASSES = ("lcd",), ("marvell",)
# of two classes, in a top that does not normalise: more noise has no end there
_OF_TWO: dict[str, tuple[dict[str, Any], ...]] = {
  "gaussian": ({"scale": 0.0003}, {"scale": 0.001}, {"scale": 0.003}),
  "laplace": ({"scale": 0.0002}, {"scale": 0.0007}, {"scale": 0.002}),
  "kdk": tuple({"k": 2, "epsilon": epsilon} for epsilon in (0.15, 0.3, 0.45)),
  "cae": ({"confusion": 1.0},),
}

# every experiment meets the same attacks; whoever knows a code or who was mixed
# with whom attacks too
_OTHERS = (
  "norm",
  "direction",
  "hint",
  "supervised_gradients",
  "gradient_clustering",
  "similarity",
  "feature_inversion",
  "adaptive",
)
ATTACKS = (adaptive.COMPLETION, *_OTHERS)
# where to fine-tune a bottom takes longer than everything else
FROZEN_ATTACKS = (
  {
    **adaptive.COMPLETION,
    "variants": tuple(
      v for v in adaptive.COMPLETION["variants"] if v[0] == "frozen"
    ),
  },
  *_OTHERS,
)
# what is measured of every defence; the active party has features of its own
_MEASURED = {
  "data.active_features": True,
  **studies.BARE,
  "attacks": ATTACKS,
  # the draw of the known samples matters most of all
  "record.samples": 500,
}


def study(
  name: str,
  arg: str,
  bases: Mapping[str, tuple[Any, int]],
  cpu: Mapping[str, Mapping[str, Any]],
  advances: tuple[int, ...] = (0, 1, 2, 3),
  middle: bool = False,
) -> Any:
  """A study of all defences, at the reference cut and before it.

  Args:
    name: of the config file.
    arg: what follows its colon; a profile is the experiments' too.
    bases: by name, the module of an experiment's config and its class count.
    cpu: dotted keys that the profile "cpu" sets, by base.
    advances: stages by which the cut moves towards the inputs.
    middle: only one strength of each defence, that in the middle.
  """
  return studies.study(
    name,
    arg,
    "tradeoff",
    {base: module for base, (module, _) in bases.items()},
    defended({base: n for base, (_, n) in bases.items()}, advances, middle),
    every=_MEASURED,
    # where a top normalises, gradients say little
    own={b: {"model.norm": "none"} for b, (_, n) in bases.items() if n == 2},
    cpu={b: {"evaluate.attack_steps": 400, **own} for b, own in cpu.items()},
    few=(0, len(advances) - 1, len(advances), -1),
  )


def defended(
  bases: Mapping[str, int],
  advances: tuple[int, ...] = (0, 1, 2, 3),
  middle: bool = False,
) -> tuple[dict[str, Any], ...]:
  """Cells of a study: no defence and every defence, at every cut.

  Args:
    bases: class counts of the experiments, by name.
    advances: stages by which the cut moves towards the inputs.
    middle: only one strength of each defence, that in the middle.
  """
  return tuple(
    {
      "labels": {
        "data": base,
        "defense": name,
        "strength": ", ".join(str(v) for k, v in options.items() if k != "k"),
        "advance": advance,
      },
      "base": base,
      "set": {"defenses": (*_moved(advance), *_entry(name, options))},
    }
    for base, classes in bases.items()
    for name, strengths in _strengths(classes).items()
    for options in (
      strengths[len(strengths) // 2 :][:1] if middle else strengths
    )
    for advance in advances
  )


def _strengths(classes):
  if classes > 2:
    left = {k: v for k, v in STRENGTHS.items() if k not in _TWO_CLASSES}
  else:
    every = {**STRENGTHS, **_OF_TWO}
    left = {k: v for k, v in every.items() if k not in _MANY_CLASSES}
  return {"none": ({},), **left}


def _moved(advance):
  return ({"name": "cut", "advance": advance},) if advance else ()


def _entry(name, options):
  return () if name == "none" else ({"name": name, **options},)
