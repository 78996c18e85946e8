"""What configs of studies share: experiments to start from, and their cells."""

from collections.abc import Iterable, Mapping
from typing import Any

from configs.shared import common
from vfl_jax.config import files
from vfl_jax.config import schema

# neither information nor compensation is measured
BARE = {"information.estimators": (), "compensation": ()}


def study(
  name: str,
  arg: str,
  question: str,
  bases: Mapping[str, Any],
  cells: Iterable[Mapping[str, Any]],
  *,
  every: Mapping[str, Any],
  own: Mapping[str, Mapping[str, Any]] | None = None,
  cpu: Mapping[str, Mapping[str, Any]] | None = None,
  few: Iterable[int] = (0, -1),
) -> Any:
  """A study of experiments that have configs of their own.

  Args:
    name: of the config file.
    arg: what follows its colon; a profile is the experiments' too.
    question: what is read from the cells.
    bases: modules of the experiments' configs, by name.
    cells: what each experiment of the study changes.
    every: dotted keys of all experiments.
    own: dotted keys by base, in every profile.
    cpu: dotted keys by base, in profile "cpu".
    few: cells that the profile "step" runs.
  """
  config = schema.defaults("study")
  config.name, config.question = name, question
  config.cells = tuple(cells)
  profile = arg.split(",")[0]
  for base, module in bases.items():
    start = module.get_config(profile if profile in ("cpu", "step") else "")
    files.assign(start, {**every, **(own or {}).get(base, {})})
    if profile == "cpu":
      files.assign(start, (cpu or {}).get(base, {}))
    recorded(start)
    config.bases[base] = start
  shown = tuple(config.cells[i] for i in few)
  return common.argued(config, arg, {"cpu": {}, "step": {"cells": shown}})


def recorded(config: Any) -> None:
  """Messages of the first, the middle and the last epoch are kept."""
  last = config.train.epochs - 1
  config.record.epochs = tuple(sorted({0, last // 2, last}))
