"""Read embeddings, gradients and known samples from a view."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool
from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.runtime import axes
from vfl_jax.runtime import trees

ROWS = 500  # per block when embedding


class Gradients(NamedTuple):
  """Recorded cut gradients, one row per sample.

  Attributes:
    vectors: gradients of all recorded epochs and of all members of a coalition
      side by side, each in units of their mean norm; zeros where a row was in
      no batch of the epoch.
    norms: mean norm over the epochs that have the row, in the same units.
    covered: whether the row was in any recorded batch.
  """

  vectors: Float[jax.Array, "rows width"]
  norms: Float[jax.Array, " rows"]
  covered: Bool[jax.Array, " rows"]


def epochs(view: base.View) -> list[base.Recorded]:
  """What was kept from each recorded epoch, in the order of the epochs."""
  return [epoch for _, epoch in sorted(view.trial.recorded.items())]


def gradients(view: base.View) -> Gradients:
  """The gradients that came down for the rows `view.shared.recorded_rows`.

  Each epoch shows the same labels again. Gradients shrink as the loss falls,
  so each epoch has its own unit.
  """
  scaled, norms, seen = [], [], []
  for epoch in epochs(view):
    parts = [trees.vectors(g) for g in _members(epoch.gradients)]
    there = jnp.stack([jnp.isfinite(g).all(1) for g in parts]).all(0)
    parts = [_in_unit(jnp.where(there[:, None], g, 0.0), there) for g in parts]
    g = jnp.concatenate(parts, axis=1)
    scaled.append(g)
    norms.append(jnp.linalg.norm(g, axis=1))
    seen.append(there)
  times = jnp.stack(seen).sum(0)
  return Gradients(
    jnp.concatenate(scaled, axis=1),
    jnp.stack(norms).sum(0) / jnp.maximum(times, 1),
    times > 0,
  )


def _members(tree) -> list:
  """What each member of a coalition has; one entry for a single party."""
  return list(tree) if isinstance(tree, tuple) else [tree]


def _in_unit(vectors, there):
  """Vectors in units of their mean norm over the rows that are there."""
  norms = jnp.where(there, jnp.linalg.norm(vectors, axis=1), 0.0)
  return vectors / (norms.sum() / jnp.maximum(there.sum(), 1) + 1e-30)


def directed(observed: Gradients) -> Gradients:
  """The same without rows whose gradient is zero: they have no direction."""
  return observed._replace(covered=observed.covered & (observed.norms > 0))


def embeddings(
  view: base.View,
) -> tuple[Float[jax.Array, "rows width"], Float[jax.Array, "others width"]]:
  """Embeddings of training and test rows by the trained bottom, as vectors.

  Those of the members of a coalition stand side by side, each in units of the
  mean distance of its training rows from their centre.
  """

  def encode(x):
    h = _members(view.public.bottom(view.trial.bottom, x)[0])
    return [trees.vectors(part) for part in h]

  train, test = (
    axes.chunked(encode, jax.tree.map(jnp.asarray, x), ROWS)
    for x in (view.shared.train, view.shared.test)
  )
  if len(train) == 1:
    return train[0], test[0]
  sizes = [jnp.linalg.norm(h - h.mean(0), axis=1).mean() + 1e-30 for h in train]
  joined = lambda parts: jnp.concatenate(
    [h / size for h, size in zip(parts, sizes, strict=True)], axis=1
  )
  return joined(train), joined(test)


def known(view: base.View, per_class: int) -> Integer[jax.Array, "c k"]:
  """Training rows of the first auxiliary samples of every class.

  Args:
    view: view whose auxiliary samples are grouped by class.
    per_class: largest number of samples per class; 0 for all of them.
  """
  rows = jnp.asarray(view.trial.aux_rows).reshape(view.public.num_classes, -1)
  return rows[:, : per_class or rows.shape[1]]


def known_gradients(
  view: base.View, covered: Bool[jax.Array, " rows"], per_class: int
) -> tuple[Integer[jax.Array, "c k"], Bool[jax.Array, "c k"]]:
  """Rows of the recorded gradients that are known samples, by class.

  Samples whose gradient was seen are taken first.

  Args:
    view: view whose auxiliary samples are the known ones.
    covered: which recorded rows have a gradient.
    per_class: largest number of samples per class; 0 for all of them.

  Returns:
    The rows, and whether the gradient of each was seen.
  """
  rows = recorded(view, known(view, 0))
  seen = covered[rows]
  order = jnp.argsort(~seen, axis=1, stable=True)
  order = order[:, : per_class or rows.shape[1]]
  return (
    jnp.take_along_axis(rows, order, axis=1),
    jnp.take_along_axis(seen, order, axis=1),
  )


def recorded(
  view: base.View, rows: Integer[base.Array, "..."]
) -> Integer[jax.Array, "..."]:
  """Positions of training rows among the recorded rows (which are sorted)."""
  return jnp.searchsorted(jnp.asarray(view.shared.recorded_rows), rows)


def unit(
  vectors: Float[jax.Array | np.ndarray, "rows width"],
) -> Float[jax.Array, "rows width"]:
  """Rows scaled to length one; rows of zeros stay zero."""
  length = jnp.linalg.norm(vectors, axis=1, keepdims=True)
  return jnp.divide(vectors, jnp.maximum(length, 1e-30))


def positive(view: base.View) -> int:
  """The class of two that an attack searches for.

  It is the rarer class where the class shares are public, else the second.
  """
  if view.public.label_prior is None:
    return 1
  return int(np.argmin(np.asarray(view.public.label_prior)))


def ranking(
  score: Float[jax.Array, " rows"], hunted: int | jax.Array
) -> Float[jax.Array, "rows 2"]:
  """Scores of two classes from a score of the class `hunted`."""
  score = jnp.where(hunted == 1, score, -score)
  return jnp.stack([-score, score], axis=1)


class Replayed(NamedTuple):
  """One recorded epoch on the rows that were in its batches.

  Attributes:
    h: embeddings as they were sent, as standardised vectors.
    g: gradients of each row's own loss with respect to `h`.
    unit: median norm of these gradients.
    covered: which of the recorded rows these are.
  """

  h: Float[np.ndarray, "rows width"]
  g: Float[np.ndarray, "rows width"]
  unit: float
  covered: Bool[np.ndarray, " recorded"]


def replayed(view: base.View, epoch: int) -> Replayed:
  """What went up and came down in one recorded epoch.

  Args:
    view: view that holds per-sample messages.
    epoch: index of the recorded epoch; -1 is the last one.
  """
  kept = epochs(view)[epoch]
  g = np.asarray(trees.vectors(kept.gradients), np.float32)
  h = np.asarray(trees.vectors(kept.embeddings), np.float32)
  covered = np.isfinite(g).all(1) & np.isfinite(h).all(1)
  h, g = h[covered], g[covered]
  if not len(h):
    return Replayed(h, g, 1.0, covered)
  centre, scale = h.mean(0), h.std(0)
  # what does not vary beyond rounding stays as it is
  scale = np.where(scale > 1e-6 * np.abs(centre), scale, 1.0)
  h, g = (h - centre) / scale, g * scale  # by the chain rule
  g = g * view.public.batch_size  # what comes down is of the mean loss
  norms = np.linalg.norm(g, axis=1)
  unit = float(np.median(norms) or norms.mean()) + 1e-30
  return Replayed(h, g, unit, covered)
