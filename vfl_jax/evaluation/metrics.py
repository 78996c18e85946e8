"""Scores of decisions against the truth."""

from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

MANY = 20  # classes from which the first five guesses count too


def score(
  metric: str,
  scores: Shaped[np.ndarray, "rows classes"],
  labels: Integer[np.ndarray, " rows"],
) -> float:
  """One number for scores `[n, classes]` against labels `[n]`.

  Args:
    metric: "accuracy", "balanced_accuracy", "macro_f1" (over the classes that
      occur or are guessed), "top5" (classes that tie share their places), or
      "auc" (two classes; the score is the difference of the second column and
      the first).
    scores: higher is more likely.
    labels: the truth.

  Returns:
    The number; NaN without rows, where a score is not finite, or for an AUC of
    rows of one class.
  """
  from sklearn import metrics

  if not len(labels) or not np.isfinite(scores).all():
    return float("nan")
  if metric == "auc":
    if len(np.unique(labels)) < 2:
      return float("nan")
    return float(metrics.roc_auc_score(labels, scores[:, 1] - scores[:, 0]))
  if metric == "top5":
    own = np.take_along_axis(scores, labels[:, None], 1)
    ahead, tied = (scores > own).sum(1), (scores == own).sum(1)
    return float(np.mean(np.clip((5 - ahead) / tied, 0, 1)))
  guess = np.argmax(scores, -1)
  if metric == "macro_f1":
    return float(metrics.f1_score(labels, guess, average="macro"))
  if metric == "balanced_accuracy":
    recalls = [np.mean(guess[labels == c] == c) for c in np.unique(labels)]
    return float(np.mean(recalls))
  return float(np.mean(guess == labels))


def best(metric: str, scores: np.ndarray, labels: np.ndarray) -> float:
  """`score`; the highest one of answers `[k, n, classes]`, by an oracle."""
  if scores.ndim == 2:
    return score(metric, scores, labels)
  return max(score(metric, s, labels) for s in scores)


def metrics(classes: int) -> tuple[str, ...]:
  """What is reported of decisions about so many classes.

  >>> metrics(2), metrics(100)
  (('accuracy', 'macro_f1', 'auc'), ('accuracy', 'macro_f1', 'top5'))
  """
  more = ("auc",) * (classes == 2) + ("top5",) * (classes >= MANY)
  return ("accuracy", "macro_f1", *more)


METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auc")
