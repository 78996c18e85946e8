"""Mutual information of layers and labels, with its floor and ceiling."""

import functools

import numpy as np

from vfl_jax import registry
from vfl_jax import types
from vfl_jax.information import fit
from vfl_jax.information.bounds import classifier
from vfl_jax.information.bounds import mine

__all__ = ["ESTIMATORS", "build", "mutual_information"]

ESTIMATORS = {"mine": mine, "classifier": classifier}


@functools.lru_cache
def _build(name, classes, options):
  """One estimator per setting, so that its compiled program is found again."""
  return registry.build("estimator", ESTIMATORS, name, classes, **dict(options))


FITTING = ("steps", "batch", "learning_rate")  # taken by the fit, not the bound


def build(name: str, **options) -> types.Estimator:
  """The named estimator for two classes: to check a name and its options.

  Raises:
    ValueError: unknown name or option, or a value the builder refuses.
  """
  own = {k: v for k, v in options.items() if k not in FITTING}
  for key in set(options) - set(own):
    if not options[key] > 0:
      raise ValueError(
        f"estimator {name!r}: {key} is {options[key]!r}; it must be > 0."
      )
  return registry.build("estimator", ESTIMATORS, name, 2, **own)


def mutual_information(
  key,
  features,
  targets,
  *,
  estimator: str = "mine",
  steps: int = 1000,
  batch: int = 128,
  learning_rate: float = 2e-3,
  **options,
) -> types.MIEstimate:
  """I(T_l; Y) of every layer in nats, from samples the critic did not see.

  Args:
    key: random key.
    features: `[layers, n, d]`, the rows in random order (the first half fits,
      the next quarter stops, the last reports); narrower layers padded with
      zeros.
    targets: integers `[n]` (labels) or floats `[n, m]`.
    estimator: a key of `ESTIMATORS`, or `package.module:builder`.
    steps: optimiser steps; the best of 20 looks at the stopping part is kept.
    batch: rows per step.
    learning_rate: of Adam.
    **options: the estimator's own, e.g. `width=`.

  Returns:
    Values on the reporting quarter of the rows, with a 95 % interval over
    them, the floor under permuted targets and the ceiling H(Y).

  Raises:
    ValueError: shapes that do not fit, fewer than 40 rows, values that are
      not finite, unknown estimator.
  """
  features, targets = np.asarray(features), np.asarray(targets)
  fit.check(features, targets)
  discrete = np.issubdtype(targets.dtype, np.integer)
  classes = int(targets.max()) + 1 if discrete else None
  built = _build(estimator, classes, tuple(sorted(options.items())))
  prior = fit.class_shares(targets, classes) if classes else None
  nats, error = fit.estimate(
    key,
    features,
    targets,
    prior,
    estimator=built,
    steps=steps,
    batch=batch,
    learning_rate=learning_rate,
  )
  return fit.to_estimate(
    np.asarray(nats), np.asarray(error), targets, bool(discrete)
  )
