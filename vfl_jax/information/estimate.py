"""Mutual information of layers and targets, with its floor and ceiling."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from vfl_jax import information
from vfl_jax.information import base
from vfl_jax.information import caveats
from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import preparation
from vfl_jax.information import projection
from vfl_jax.results import intervals
from vfl_jax.runtime import rng

FEWEST = 40  # samples


def too_few(targets: np.ndarray) -> str:
  """Why these targets are too few for any estimate; empty if they are not.

  >>> too_few(np.arange(30))
  '30 samples are too few to fit, stop and report on; at least 40 are needed.'
  """
  n = len(targets)
  if n < FEWEST:
    return (
      f"{n} samples are too few to fit, stop and report on; at least {FEWEST} "
      "are needed."
    )
  if np.issubdtype(targets.dtype, np.integer):
    classes = len(np.unique(targets))
    if classes > n // 2:
      return (
        f"{n} samples of {classes} classes are fewer than two a class; give "
        f"at least {2 * classes}, or float targets."
      )
  return ""


def mutual_information(
  key: jax.Array,
  features: np.ndarray | Sequence[np.ndarray | projection.Prepared],
  targets: np.ndarray,
  *,
  estimator: str = information.DEFAULT,
  width: int = 64,
  **options: Any,
) -> base.MIEstimate:
  """I(T_l; Y) of every layer in nats, from samples the critic did not see.

  Args:
    key: random key.
    features: `[layers, n, d]` or layers `[n, d_l]` of unequal width, the same
      rows in any order and any units, see `preparation`. Layers that were
      prepared before (`projection.reduce`) come with rows in random order.
    targets: integers `[n]` (labels) or floats `[n, m]`.
    estimator: a key of `ESTIMATORS`, or `package.module:builder`.
    width: layers with more columns are projected on as many principal
      components.
    **options: `steps` (400) and `batch` (128) of the optimiser, its `rate`
      (4e-3), `folds` (4), and the estimator's own, e.g. `critic=`.

  Returns:
    Values with a 95 % interval over samples, the floor under permuted
    targets, the ceiling H(Y), and the reasons not to believe them.

  Raises:
    ValueError: shapes that do not fit, fewer than 40 rows or two a class,
      values that are not finite, an unknown estimator or option.

  >>> t = np.random.default_rng(0).normal(size=(1, 400, 3))
  >>> y = (t[0, :, 0] > 0).astype(int)
  >>> found = mutual_information(jax.random.key(0), t, y, steps=100)
  >>> bool(0.4 < found.nats[0] < found.ceiling < 0.7)
  True
  """
  layers, targets = _checked(features, targets)
  discrete = np.issubdtype(targets.dtype, np.integer)
  classes = None
  if discrete:
    names, targets = np.unique(targets, return_inverse=True)
    classes = len(names)
  built, fitting = information.split(estimator, options, classes)
  folds = fitting["folds"]
  direct = isinstance(built, base.Direct)
  layers, targets = _arranged(key, layers, targets, direct)
  if not discrete:
    targets = preparation.scaled(targets)[0]
  layers = [projection.reduce(t, width, 1 if direct else folds) for t in layers]
  cap = getattr(built, "cap", None)
  if direct:
    columns = [projection.ranks(layer) for layer in layers]
    values_of = targets if discrete else preparation.ranked(targets)
    permuted = rng.generator(rng.stream(key, "floor")).permutation(values_of)
    values, floors = (
      np.stack([built.influence(t, y) for t in columns])
      for y in (values_of, permuted)
    )
    values, fitted = values[:, None], np.full((len(layers), 2), np.nan)
    reasons = [built.reason(t, values_of) for t in columns]
  else:
    if not discrete:
      targets = preparation.with_ranks(targets)
    size = len(targets) // information_fitting.BLOCKS
    cap = cap if cap is None else min(cap, float(np.log(size)))
    runs = np.empty((len(layers), folds + 1, size))
    fitted = np.empty((len(layers), folds + 1))
    for stack in projection.stacks(layers, folds):
      runs[stack.members], fitted[stack.members] = (
        information_fitting.influences(
          key,
          stack.features,
          stack.widths,
          targets,
          bound=built,
          **fitting,
        )
      )
    values, floors = runs[:, :-1], runs[:, -1]
    reasons = [""] * len(layers)
  flat = values.reshape(len(layers), -1)
  estimate = base.MIEstimate(
    nats=flat.mean(1),
    interval=_half_width(flat),
    floor=floors.mean(1),
    floor_interval=_half_width(floors),
    folds=values.mean(-1),
    fitted=fitted[:, :-1].mean(1),
    ceiling=caveats.entropy(targets) if discrete else None,
    cap=cap,
    n=flat.shape[1],
    kept_width=np.array([layer.kept_width for layer in layers]),
    kept_variance=np.array([layer.kept_variance for layer in layers]),
    clipped=np.array([layer.clipped for layer in layers]),
    warnings=(),
  )
  return estimate._replace(warnings=caveats.of(estimate, reasons))


def _arranged(key, layers, targets, once):
  """Rows in random order, copies in one block, or only one of them.

  Layers that were prepared before come in random order: they stay as they are.
  """
  if any(isinstance(layer, projection.Prepared) for layer in layers):
    return layers, targets
  groups = preparation.copies(layers, targets)
  if once:  # all rows are seen at once: a copy would be its own neighbour
    _, first = np.unique(groups, return_index=True)
    layers, targets = [layer[first] for layer in layers], targets[first]
    groups = np.arange(len(first))
  order = preparation.order(
    rng.generator(rng.stream(key, "order")), groups, information_fitting.BLOCKS
  )
  return [layer[order] for layer in layers], targets[order]


def _half_width(values):
  """Of the 95 % interval of the mean of every row."""
  return intervals.NORMAL * values.std(1, ddof=1) / np.sqrt(values.shape[1])


def _checked(features, targets):
  layers = [
    layer if isinstance(layer, projection.Prepared) else np.asarray(layer)
    for layer in features
  ]
  targets = np.asarray(targets)
  shapes = [
    projection.ranks(layer).shape
    if isinstance(layer, projection.Prepared)
    else layer.shape
    for layer in layers
  ]
  if any(len(s) != 2 or s[:1] != targets.shape[:1] for s in shapes):
    raise ValueError(
      f"features are {shapes[:3]}, targets {targets.shape}; they must be "
      "[layers, n, d] and [n] or [n, m]."
    )
  if not layers:
    raise ValueError("features are empty; at least one layer is needed.")
  reason = too_few(targets)
  if reason:
    raise ValueError(reason)
  if not all(
    np.isfinite(layer).all()
    for layer in layers
    if not isinstance(layer, projection.Prepared)
  ):
    raise ValueError("features hold values that are not finite.")
  if not np.issubdtype(targets.dtype, np.integer):
    if targets.dtype.kind not in "f" or not np.isfinite(targets).all():
      raise ValueError("targets must be integers or finite floats.")
    targets = targets.astype(np.float64).reshape(len(targets), -1)
  elif targets.ndim != 1:
    raise ValueError(f"labels are {targets.shape}; they must be [n].")
  return layers, targets
