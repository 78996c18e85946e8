"""Metrics that score decisions against true labels."""

from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

MANY = 20  # number of classes from which on top-5 accuracy is reported


def score(
  metric: str,
  scores: Shaped[np.ndarray, "rows classes"],
  labels: Integer[np.ndarray, " rows"],
) -> float:
  """The value of a metric for scores of classes against true labels.

  Args:
    metric: "accuracy", "balanced_accuracy", "macro_f1" (over the classes that
      occur or are guessed), "top5" (tied classes share their places), or "auc"
      (two classes; rows are ranked by the second column minus the first).
    scores: scores of the classes; a higher one is more likely.
    labels: true labels.

  Returns:
    The value; NaN without rows, if a score is not finite, or for an AUC of
    rows of one class.
  """
  if not len(labels) or not np.isfinite(scores).all():
    return float("nan")
  if metric == "auc":
    from sklearn import metrics

    if len(np.unique(labels)) < 2:
      return float("nan")
    return float(metrics.roc_auc_score(labels, scores[:, 1] - scores[:, 0]))
  if metric == "top5":
    true_scores = np.take_along_axis(scores, labels[:, None], 1)
    ahead, tied = (scores > true_scores).sum(1), (scores == true_scores).sum(1)
    return float(np.mean(np.clip((5 - ahead) / tied, 0, 1)))
  guess = np.argmax(scores, -1)
  classes = scores.shape[1]
  counts = np.bincount(classes * labels + guess, minlength=classes**2)
  counts = counts.reshape(classes, classes)  # truth, guess
  right, occur, guessed = np.diag(counts), counts.sum(1), counts.sum(0)
  if metric == "balanced_accuracy":
    there = occur > 0
    return float(np.mean(right[there] / occur[there]))
  if metric == "macro_f1":
    there = occur + guessed > 0
    return float(np.mean(2 * right[there] / (occur + guessed)[there]))
  return float(right.sum() / len(labels))


def best(
  metric: str, scores: np.ndarray, labels: np.ndarray
) -> tuple[float, int]:
  """The best of several answers by the true labels.

  Args:
    metric: see `score`.
    scores: several answers `[k, n, classes]`, or one answer `[n, classes]`.
    labels: true labels, `[n]`.

  Returns:
    `(value, number of the answer)`; NaN and 0 if no answer has a value.
  """
  if scores.ndim == 2:
    return score(metric, scores, labels), 0
  values = [score(metric, answer, labels) for answer in scores]
  if np.isnan(values).all():
    return float("nan"), 0
  index = int(np.nanargmax(values))
  return values[index], index


def metrics(classes: int) -> tuple[str, ...]:
  """The metrics that are reported for this number of classes.

  >>> metrics(2), metrics(100)
  (('accuracy', 'macro_f1', 'auc'), ('accuracy', 'macro_f1', 'top5'))
  """
  more = ("auc",) * (classes == 2) + ("top5",) * (classes >= MANY)
  return ("accuracy", "macro_f1", *more)


METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auc")
