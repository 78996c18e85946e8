"""What attacks read off a view: embeddings, gradients and known samples."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool
from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax import mapping
from vfl_jax import nets
from vfl_jax import types

ROWS = 500  # per block when embedding


class Gradients(NamedTuple):
  """Recorded cut gradients, a row per sample.

  Attributes:
    vectors: those of all recorded epochs side by side, each epoch in units of
      its mean norm; zeros where a row was in no batch of the epoch.
    norms: mean over the epochs that have the row, in the same units.
    covered: whether the row was in any recorded batch.
  """

  vectors: Float[jax.Array, "rows width"]
  norms: Float[jax.Array, " rows"]
  covered: Bool[jax.Array, " rows"]


def gradients(view: types.View) -> Gradients:
  """The gradients that came down, of the rows in `view.gradient_rows`.

  Several epochs are several looks at the same labels; the size of gradients
  falls as the loss does, so that each epoch has its own unit.
  """
  parts, norms, seen = [], [], []
  for epoch in sorted(view.gradients):
    g = nets.vectors(view.gradients[epoch])
    there = jnp.isfinite(g).all(1)
    g = jnp.where(there[:, None], g, 0.0)
    norm = jnp.linalg.norm(g, axis=1)
    unit = norm.sum() / jnp.maximum(there.sum(), 1) + 1e-30
    parts.append(g / unit)
    norms.append(norm / unit)
    seen.append(there)
  times = jnp.stack(seen).sum(0)
  return Gradients(
    jnp.concatenate(parts, axis=1),
    jnp.stack(norms).sum(0) / jnp.maximum(times, 1),
    times > 0,
  )


def embeddings(
  view: types.View,
) -> tuple[Float[jax.Array, "rows width"], Float[jax.Array, "others width"]]:
  """Vectors of what the trained bottom sends up: training and test rows."""

  def encode(x):
    return nets.vectors(view.public.bottom(view.bottom, x)[0])

  train, test = (
    mapping.chunked(encode, jax.tree.map(jnp.asarray, x), ROWS)
    for x in (view.train, view.test)
  )
  return train, test


def known(view: types.View, per_class: int) -> Integer[jax.Array, "c k"]:
  """Training rows of at most so many auxiliary samples of every class.

  Args:
    view: its auxiliary samples are grouped by class.
    per_class: 0 for all of them.
  """
  rows = jnp.asarray(view.aux_rows).reshape(view.public.num_classes, -1)
  return rows[:, : per_class or rows.shape[1]]


def known_gradients(
  view: types.View, covered: Bool[jax.Array, " rows"], per_class: int
) -> tuple[Integer[jax.Array, "c k"], Bool[jax.Array, "c k"]]:
  """Where in the recorded gradients known samples are, and whether they are.

  Samples whose gradient was seen are taken first.
  """
  rows = recorded(view, known(view, 0))
  order = jnp.argsort(~covered[rows], axis=1, stable=True)
  rows = jnp.take_along_axis(rows, order, axis=1)
  rows = rows[:, : per_class or rows.shape[1]]
  return rows, covered[rows]


def recorded(view: types.View, rows) -> Integer[jax.Array, "..."]:
  """Where training rows are among the recorded ones (which are sorted)."""
  return jnp.searchsorted(jnp.asarray(view.gradient_rows), rows)


def unit(vectors: Float[jax.Array, "rows width"]) -> jax.Array:
  """Rows of length one; rows of zeros stay."""
  length = jnp.linalg.norm(vectors, axis=1, keepdims=True)
  return vectors / jnp.maximum(length, 1e-30)


def positive(view: types.View) -> int:
  """Which of two classes is hunted for: the rarer one, else the second."""
  if view.public.label_prior is None:
    return 1
  return int(np.argmin(np.asarray(view.public.label_prior)))


def ranking(score: Float[jax.Array, " rows"], hunted) -> jax.Array:
  """Scores `[rows, 2]` of a score for the class that is hunted for."""
  score = jnp.where(hunted == 1, score, -score)
  return jnp.stack([-score, score], axis=1)


def classes_of(distances, rows, view) -> np.ndarray:
  """For every class its cluster: one to one, by the auxiliary samples.

  Args:
    distances: `[n, clusters]`, NaN for rows in no cluster.
    rows: of the auxiliary samples in it.
    view: for their labels.
  """
  from scipy import optimize

  theirs = distances[np.asarray(rows)]
  usable = np.isfinite(theirs).all(1)
  found = np.argmin(theirs[usable], axis=1)
  counts = np.zeros((view.public.num_classes, distances.shape[1]))
  np.add.at(counts, (np.asarray(view.aux_labels)[usable], found), 1)
  _, order = optimize.linear_sum_assignment(counts, maximize=True)
  return order


def calibrated(scores, rows, view) -> np.ndarray:
  """Log probabilities of the classes, from scores of classes without names.

  Every column is centred and brought to one scale, so that a class which
  always seems the likelier hides nothing. The names are those under which the
  auxiliary samples score highest, one to one. An offset per class then makes
  the shares of the classes those that are public, else fits the labels of the
  auxiliary samples (logistic regression).

  Args:
    scores: `[n, classes]`, NaN for rows not spoken of.
    rows: of the auxiliary samples in it.
    view: for their labels.
  """
  from scipy import optimize

  found = np.full(scores.shape, np.nan)
  spoken = np.isfinite(scores).all(1)
  classes = scores.shape[1]
  if not spoken.any():
    return found
  found[spoken] = _levelled(scores[spoken])
  rows, labels = np.asarray(rows), np.asarray(view.aux_labels)
  labels, known = labels[spoken[rows]], found[rows[spoken[rows]]]
  wins = np.zeros((classes, classes))  # [class, column]
  np.add.at(wins, labels, known)
  wins /= np.maximum(np.bincount(labels, minlength=classes), 1)[:, None]
  _, order = optimize.linear_sum_assignment(wins, maximize=True)
  found, known = found[:, order], known[:, order]
  if view.public.label_prior is not None:
    offsets = _shared(found[spoken], np.asarray(view.public.label_prior))
  else:
    offsets = _fitted(known, np.eye(classes)[labels])
  found[spoken] = _logs(found[spoken] + offsets)
  return found


def _shared(scores, shares, sharpness=5.0, rounds=100):
  """Offsets under which the classes have their shares (Sinkhorn's rule)."""
  offsets = np.zeros(scores.shape[1])
  for _ in range(rounds):
    found = np.exp(_logs(sharpness * (scores + offsets))).mean(0)
    offsets += np.log((shares + 1e-6) / (found + 1e-6)) / sharpness
  return offsets


def _fitted(scores, truth):
  """Offsets of logits that fit these few labels best, slightly penalised."""
  from scipy import optimize

  def loss(offsets):
    logs = _logs(scores + offsets)
    penalty = 0.005 * (offsets**2).sum()
    slope = (np.exp(logs) - truth).sum(0) + 0.01 * offsets
    return penalty - (logs * truth).sum(), slope

  return optimize.minimize(loss, np.zeros(scores.shape[1]), jac=True).x


def _logs(logits):
  return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _levelled(scores):
  """Scores against their row's mean and their column's median, tails short."""
  centred = scores - scores.mean(1, keepdims=True)
  centred = centred - np.median(centred, axis=0)
  middle = np.median(np.abs(centred), axis=0)
  return np.arcsinh(centred / (middle + 0.05 * centred.std(0) + 1e-30))


class Replayed(NamedTuple):
  """One recorded epoch on the rows that were in its batches.

  Attributes:
    h: vectors of the embeddings as they were sent, standardised.
    g: gradients by them of each row's own loss.
    unit: mean norm of these.
    covered: which of the recorded rows these are.
  """

  h: np.ndarray
  g: np.ndarray
  unit: float
  covered: np.ndarray


def replayed(view: types.View, epoch: int) -> Replayed:
  """What went up and came down in a recorded epoch, counted as in a list."""
  name = sorted(view.gradients)[epoch]
  g = np.asarray(nets.vectors(view.gradients[name]), np.float32)
  h = np.asarray(nets.vectors(view.embeddings[name]), np.float32)
  covered = np.isfinite(g).all(1) & np.isfinite(h).all(1)
  h, g = h[covered], g[covered]
  if not len(h):
    return Replayed(h, g, 1.0, covered)
  scale = h.std(0) + 0.05 * np.sqrt((h.std(0) ** 2).mean()) + 1e-12
  h, g = (h - h.mean(0)) / scale, g * scale  # by the chain rule
  g = g * view.public.batch_size  # what comes down is of the mean loss
  unit = float(np.linalg.norm(g, axis=1).mean()) + 1e-30
  return Replayed(h, g, unit, covered)
