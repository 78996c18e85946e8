"""What every config file shares: sections over the defaults, and arguments.

`--config=configs/NAME.py:ARG`, ARG a comma-separated list of

  cpu        the same experiment cut to at most 15 minutes and 4 GB on 2 cores
  step       one step of everything, to see that it runs
  KEY=VALUE  one key, e.g. cut=3, seeds=5 or train.epochs=10
"""

import difflib
from typing import Any

import ml_collections

from vfl_jax.config import files
from vfl_jax.config import schema

_SHORT = {
  "cut": "model.cut",
  "epochs": "train.epochs",
  "parties": "data.parties",
  "norm": "model.norm",
}
_CPU = {
  "data.train_size": 4000,
  "data.test_size": 1500,
  "evaluate.attack_steps": 2000,
  "information.samples": 1200,
  "information.steps": 100,
  # the central twin would train everything a second time
  "compensation": ("frozen_bottoms", "fresh_top"),
}
_STEP = {
  "seeds": 1,
  "data.resplit": False,
  "data.train_size": 300,
  "data.validation_size": 100,
  "data.test_size": 150,
  "data.vocabulary": 500,
  "train.epochs": 1,
  "train.batch_size": 16,
  "train.steps_per_epoch": 1,
  "evaluate.attack_steps": 1,
  "evaluate.ceiling_steps": 1,
  "evaluate.aux_per_class": 1,
  "evaluate.aux_draws": 1,
  "information.samples": 100,
  "information.steps": 1,
  "information.estimators": ("mine",),
  "compensation": (),
  "record.epochs": (),
}
# the published schedule of the attack and enough samples for every estimator
_FULL = {
  "data.resplit": True,
  "evaluate.attack_steps": 25600,
  "information.samples": 10000,
  "information.steps": 1000,
}

model = schema.model


def experiment(
  name: str,
  arg: str,
  *,
  cpu: dict[str, Any] | None = None,
  step: dict[str, Any] | None = None,
  **sections: Any,
) -> ml_collections.ConfigDict:
  """The defaults, the sections of one file, then its argument.

  Args:
    name: of the config file.
    arg: what follows the colon, see the module's docstring.
    cpu: dotted keys that "cpu" sets besides the usual ones.
    step: the same of "step".
    **sections: keys or sections to override; `model` replaces the section.

  Raises:
    ValueError: an argument that is none of the above.
  """
  config = schema.defaults()
  config.name = name
  files.assign(config, _FULL)
  for key, value in sections.items():
    if key == "model":
      config.model = value
    elif isinstance(value, dict):
      with config.ignore_type():  # data.partition may be a tuple, say
        config[key].update(value)
    else:
      config[key] = value
  return argued(
    config,
    arg,
    {"cpu": {**_CPU, **(cpu or {})}, "step": {**_STEP, **(step or {})}},
  )


def argued(
  config: ml_collections.ConfigDict, arg: str, profiles: dict[str, Any]
) -> ml_collections.ConfigDict:
  """The config with its argument applied, part by part.

  Raises:
    ValueError: an argument that is neither a profile nor KEY=VALUE.
  """
  for part in filter(None, arg.split(",")):
    if part in profiles:
      config.profile = part
      files.assign(config, profiles[part])
    elif "=" in part:
      key, value = part.split("=", 1)
      files.assign(config, {_SHORT.get(key, key): files.parse_value(value)})
    else:
      near = difflib.get_close_matches(part, list(profiles), n=1)
      hint = f" Did you mean {near[0]!r}?" if near else ""
      raise ValueError(
        f"config argument {part!r} is unknown; take cpu, step or KEY=VALUE "
        f"(cut=3, train.epochs=5), separated by commas.{hint}"
      )
  return config
