"""Mutual information of layers and targets, with its floor and ceiling.

`base` holds what an estimator is, `problems` the known truths it is tested on.
Nothing here knows of parties, `attacks` or `defenses`.
"""

from typing import Any

from vfl_jax.config import registry
from vfl_jax.information import base
from vfl_jax.information import bounds
from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import nonparametric

__all__ = ["ESTIMATORS", "build"]

ESTIMATORS = {
  "mine": bounds.mine,
  "nwj": bounds.nwj,
  "infonce": bounds.infonce,
  "smile": bounds.smile,
  "jsd": bounds.jsd,
  "classifier": bounds.classifier,
  "linear": bounds.linear,
  "mlp": bounds.mlp,
  "neighbors": nonparametric.neighbors,
  "copula": nonparametric.copula,
  "plugin": nonparametric.plugin,
}
DEFAULT = "classifier"
_FITTING = {
  "steps": 400,
  "batch": 128,
  "rate": 4e-3,
  "folds": information_fitting.BLOCKS,
}


def build(name: str, **options: Any) -> base.Estimator:
  """The named estimator for two classes: to check a name and its options.

  Raises:
    ValueError: unknown name or option, or a value the builder refuses.
  """
  return split(name, options, 2)[0]


def split(name, options, classes):
  """The estimator of a setting, and how it is fitted."""
  fitting = {**_FITTING, **{k: options[k] for k in _FITTING if k in options}}
  own = {k: v for k, v in options.items() if k not in _FITTING}
  for key, value in fitting.items():
    kind = float if key == "rate" else int
    if not registry.fits(value, kind) or not value > 0:
      raise ValueError(
        f"estimator {name!r}: {key} is {value!r}; it must be "
        f"{'a number' if kind is float else 'whole and'} > 0."
      )
  if fitting["folds"] > information_fitting.BLOCKS:
    raise ValueError(
      f"estimator {name!r}: folds is {fitting['folds']}; take 1 to "
      f"{information_fitting.BLOCKS}."
    )
  # one estimator per setting: its compiled program is found again
  estimator = registry.build("estimator", ESTIMATORS, name, classes, **own)
  return estimator, fitting
