"""Metrics that score decisions against true labels."""

from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

_FALSE = {"tpr_1": 0.01, "tpr_01": 0.001}  # shares of false positives
RANKING = ("auc", *_FALSE)  # metrics of an order of two classes
MANY = 20  # number of classes from which on top-5 accuracy is reported


def score(
  metric: str,
  scores: Shaped[np.ndarray, "rows classes"],
  labels: Integer[np.ndarray, " rows"],
) -> float:
  """The value of a metric for scores of classes against true labels.

  Args:
    metric: "accuracy", "balanced_accuracy", "macro_f1" (over the classes that
      occur or are guessed), "top5" (classes that tie share their places),
      "exposed" (see `exposed`), or of two classes "auc", "tpr_1" and "tpr_01":
      the share of rows of the second class that are found while at most 1 % or
      .1 % of the first are taken for it. The score of these three is the
      difference of the second column and the first.
    scores: higher is more likely.
    labels: the truth.

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
  if metric in _FALSE:
    return found(scores[:, 1] - scores[:, 0], labels, _FALSE[metric])
  if metric == "exposed":
    return exposed(scores, labels)
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


def exposed(scores: np.ndarray, labels: np.ndarray) -> float:
  """Share of rows whose label is inferred at a precision of 95 %.

  Of the rows with the largest margins between the first and the second class,
  as many as can be taken with at least 95 % of them right.

  >>> scores = np.array([[9.0, 0], [0, 8], [1, 0], [0, 0.5]])
  >>> exposed(scores, np.array([0, 1, 1, 1]))
  0.5
  """
  ordered = np.sort(scores, axis=1)
  margin = ordered[:, -1].astype(float) - ordered[:, -2]
  right = np.argmax(scores, -1) == labels
  order = np.argsort(-margin, kind="stable")
  taken = np.arange(1, len(labels) + 1)
  sure = np.cumsum(right[order]) >= 0.95 * taken
  # rows of one margin are taken together or not at all
  last = np.append(np.diff(margin[order]) != 0, True)
  counts = taken[sure & last]
  return float(counts.max(initial=0) / len(labels))


def found(
  score: Shaped[np.ndarray, " rows"],
  labels: Integer[np.ndarray, " rows"],
  share: float,
) -> float:
  """Share of the second class that is found at few false positives.

  Args:
    score: higher is more likely the second class.
    labels: the truth, of two classes.
    share: largest share of the first class that may be taken for the second.

  >>> found(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 1]), 0.0)
  0.5
  """
  negatives, positives = (np.sort(score[labels == c]) for c in (0, 1))
  if not len(negatives) or not len(positives):
    return float("nan")
  allowed = int(share * len(negatives))
  threshold = negatives[len(negatives) - 1 - allowed]
  return float(np.mean(positives > threshold))


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

  >>> metrics(100)
  ('accuracy', 'macro_f1', 'exposed', 'top5')
  """
  more = RANKING if classes == 2 else ("top5",) * (classes >= MANY)
  return ("accuracy", "macro_f1", "exposed", *more)


def primary(asked: str, labels: Integer[np.ndarray, " rows"]) -> str:
  """The metric by which a measurement is judged.

  Accuracy hides a leak where one class is frequent: an attacker who finds half
  of a class of 5 % is right on 97.5 % of the rows, and who always says the
  other class on 95 %.

  Args:
    asked: the metric of the config; empty to choose one.
    labels: labels of the training rows.

  Returns:
    `asked`, or the AUC of two classes, the balanced accuracy where the most
    frequent class has half again as many rows as a class has on average, and
    otherwise the accuracy.

  >>> primary("", np.array([0, 1, 2]))
  'accuracy'
  >>> primary("", np.array([0, 0, 0, 1, 2]))
  'balanced_accuracy'
  >>> primary("", np.array([0, 1, 1])), primary("accuracy", np.array([0, 1, 1]))
  ('auc', 'accuracy')
  """
  counts = np.bincount(labels)
  counts = counts[counts > 0]
  if asked:
    return asked
  if len(counts) == 2:
    return "auc"
  uneven = counts.max() >= 1.5 * counts.mean()
  return "balanced_accuracy" if uneven else "accuracy"


METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auc")
