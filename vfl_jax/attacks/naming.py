"""Assign class names to clusters, or to score columns without names."""

from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax.attacks import base


def classes_of(
  distances: Float[np.ndarray, "rows clusters"],
  rows: Integer[base.Array, " aux"],
  view: base.View,
) -> Integer[np.ndarray, " classes"]:
  """Matches clusters to classes, one to one, by the auxiliary samples.

  Args:
    distances: distance of every row from every cluster; NaN for rows without
      a cluster.
    rows: rows of `distances` that are auxiliary samples.
    view: view that holds the labels of the auxiliary samples.

  Returns:
    The cluster of every class.
  """
  from scipy import optimize

  aux_distances = distances[np.asarray(rows)]
  usable = np.isfinite(aux_distances).all(1)
  nearest = np.argmin(aux_distances[usable], axis=1)
  counts = np.zeros((view.public.num_classes, distances.shape[1]))
  np.add.at(counts, (np.asarray(view.trial.aux_labels)[usable], nearest), 1)
  _, order = optimize.linear_sum_assignment(counts, maximize=True)
  return order


def calibrated(
  scores: Float[np.ndarray, "rows classes"],
  rows: Integer[base.Array, " aux"],
  view: base.View,
) -> Float[np.ndarray, "rows classes"]:
  """Log probabilities of the classes, from scores of classes without names.

  Every column is centred and scaled alike, so that a class with high scores
  everywhere does not dominate. Columns and classes are then matched one to one
  so that the auxiliary samples score highest. Finally, an offset per class
  reproduces the public class shares or, where these are not public, fits the
  labels of the auxiliary samples (logistic regression).

  Args:
    scores: scores with columns in any order; NaN for rows without an answer.
    rows: rows of `scores` that are auxiliary samples.
    view: view that holds the labels of the auxiliary samples.

  Returns:
    Log probabilities with columns in the order of the classes.
  """
  from scipy import optimize

  levelled = np.full(scores.shape, np.nan)
  answered = np.asarray(np.isfinite(scores).all(1))
  classes = scores.shape[1]
  if not answered.any():
    return levelled
  levelled[answered] = _levelled(scores[answered])
  rows, labels = np.asarray(rows), np.asarray(view.trial.aux_labels)
  labels, aux_scores = labels[answered[rows]], levelled[rows[answered[rows]]]
  wins = np.zeros((classes, classes))  # [class, column]
  np.add.at(wins, labels, aux_scores)
  wins /= np.maximum(np.bincount(labels, minlength=classes), 1)[:, None]
  _, order = optimize.linear_sum_assignment(wins, maximize=True)
  levelled, aux_scores = levelled[:, order], aux_scores[:, order]
  if view.public.label_prior is not None:
    offsets = _shared(levelled[answered], np.asarray(view.public.label_prior))
  else:
    offsets = _fitted(aux_scores, np.eye(classes)[labels])
  levelled[answered] = _logs(levelled[answered] + offsets)
  return levelled


def _shared(scores, shares, sharpness=5.0, rounds=100):
  """Offsets that reproduce the class shares (Sinkhorn's rule)."""
  offsets = np.zeros(scores.shape[1])
  for _ in range(rounds):
    current_shares = np.exp(_logs(sharpness * (scores + offsets))).mean(0)
    offsets += np.log((shares + 1e-6) / (current_shares + 1e-6)) / sharpness
  return offsets


def _fitted(scores, truth):
  """Offsets of logits that fit the labels best, with a slight penalty."""
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
  """Scores minus row mean and column median, with the tails compressed."""
  centred = scores - scores.mean(1, keepdims=True)
  centred = centred - np.median(centred, axis=0)
  middle = np.median(np.abs(centred), axis=0)
  return np.arcsinh(centred / (middle + 0.05 * centred.std(0) + 1e-30))
