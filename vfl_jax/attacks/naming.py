"""From groups of rows, or scores without names, to classes."""

import numpy as np


def classes_of(distances, rows, view) -> np.ndarray:
  """For every class its cluster: one to one, by the auxiliary samples.

  Args:
    distances: `[n, clusters]`, NaN for rows in no cluster.
    rows: of the auxiliary samples in it.
    view: for their labels.
  """
  from scipy import optimize

  aux_distances = distances[np.asarray(rows)]
  usable = np.isfinite(aux_distances).all(1)
  nearest = np.argmin(aux_distances[usable], axis=1)
  counts = np.zeros((view.public.num_classes, distances.shape[1]))
  np.add.at(counts, (np.asarray(view.trial.aux_labels)[usable], nearest), 1)
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
    scores: `[n, classes]`, NaN for rows without an answer.
    rows: of the auxiliary samples in it.
    view: for their labels.
  """
  from scipy import optimize

  levelled = np.full(scores.shape, np.nan)
  answered = np.isfinite(scores).all(1)
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
  """Offsets under which the classes have their shares (Sinkhorn's rule)."""
  offsets = np.zeros(scores.shape[1])
  for _ in range(rounds):
    current_shares = np.exp(_logs(sharpness * (scores + offsets))).mean(0)
    offsets += np.log((shares + 1e-6) / (current_shares + 1e-6)) / sharpness
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
