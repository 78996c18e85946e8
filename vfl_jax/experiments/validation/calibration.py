"""Checks of a calibration."""

from typing import Any

from vfl_jax.config import entries
from vfl_jax.config import registry
from vfl_jax.config import schema
from vfl_jax.experiments.validation import keys
from vfl_jax.experiments.validation import ranges
from vfl_jax import information
from vfl_jax.information import problems


def calibration(config: Any) -> Any:
  """Check a config of kind "calibration"; see `validate.validate`."""
  keys.keys(config, schema.defaults("calibration"), "", ())
  grid(config)
  for _, name, overrides in entries.labelled(config.estimators):
    information.build(name, **overrides)
  return config


def grid(config):
  """Check the ranges of a calibration's keys; raises ValueError."""
  ranges.at_least("", config, {"seed": 0, "seeds": 1})
  ranges.at_least(
    "fit.", config.fit, {"steps": 1, "batch": 2, "folds": 1, "width": 1}
  )
  ranges.folds("fit", config.fit.folds)
  for name, values in config.grid.items():
    low = {"samples": 40, "dimensions": 2, "classes": 2}.get(name)
    for value in values:
      if name == "shapes":
        registry.lookup(problems.SHAPES, "shape", value)
      elif name == "levels" and not (
        isinstance(value, (int, float)) and 0 <= value < 1
      ):
        raise ValueError(f"grid.levels has {value!r}; take shares in [0, 1).")
      elif low and (not isinstance(value, int) or value < low):
        raise ValueError(
          f"grid.{name} has {value!r}; take whole numbers from {low}."
        )
    if not values:
      raise ValueError(f"grid.{name} is empty; give at least one value.")
  if not config.estimators:
    raise ValueError("estimators is empty; name at least one.")
