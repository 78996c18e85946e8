"""Learners that see one party's features and a few labels, and nothing else.

Nothing here comes out of a federation. A control built on these learners shows
what the known labels reveal without a federation. A weak control would make an
attack look like a leak, so there is a pool of learners, each on three
preparations of the features, and they may use all rows, labelled or not,
training or test.

All learners are scikit-learn's except label spreading (see `spreading`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
import warnings

from jaxtyping import Float
from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

from vfl_jax.evaluation import rows as rows_of
from vfl_jax.evaluation import spreading
from vfl_jax.runtime import kept

COMPONENTS = 50  # principal components, for linear learners of wider rows
ROWS = 20000  # largest number of rows in the graph of label spreading
TRAINED = 5000  # largest number of rows that self-training uses
_SPREADS = (0.2, 0.9)  # share of a row's label that its neighbours decide
_AT_ONCE = 2**26  # scores held at a time, before they are rounded
_BLOCK = 2000  # rows predicted at a time


class Labels(NamedTuple):
  """One draw of labelled rows.

  Attributes:
    rows: numbers of the training rows, grouped by class, `[m]`.
    labels: classes of those rows, `[m]`.
  """

  rows: np.ndarray
  labels: np.ndarray


class Scores(NamedTuple):
  """Scores of every learner of the pool, by draw.

  Attributes:
    names: names of the learners, `[learners]`.
    train: scores of the training rows, `[draws, learners, n, classes]`.
    test: scores of the test rows, `[draws, learners, m, classes]`.
    chosen: number of the learner that two-fold cross-validation on the known
      labels chooses, `[draws]`. The choice sees no other label, and is often a
      bad one. Self-training, which takes most of the time, is never chosen.
  """

  names: np.ndarray
  train: np.ndarray
  test: np.ndarray
  chosen: np.ndarray


def of(
  train: Shaped[np.ndarray, "n width"],
  test: Shaped[np.ndarray, "others width"],
  aux_rows: Integer[np.ndarray, "draws labelled"],
  aux_labels: Integer[np.ndarray, "draws labelled"],
  classes: int,
) -> Scores:
  """Scores of `pool`, computed once for all processes that need the same."""
  draws = [Labels(*d) for d in zip(aux_rows, aux_labels, strict=True)]
  return kept.kept(
    Scores,
    lambda: pool(train, test, draws, classes),
    (train, test, aux_rows, aux_labels, classes),
    [__file__, str(rows_of.__file__), str(spreading.__file__)],
  )


def joined(
  scores: Scores, name: str, train: np.ndarray, test: np.ndarray
) -> Scores:
  """Adds a learner to the pool; it is never the chosen one.

  Args:
    scores: scores of the pool.
    name: name of the new learner.
    train: its scores of the training rows, `[draws, n, classes]`.
    test: its scores of the test rows, `[draws, m, classes]`.
  """
  return scores._replace(
    names=np.append(scores.names, name),
    train=_with(scores.train, train),
    test=_with(scores.test, test),
  )


def together(pools: Mapping[int | str, Scores]) -> Scores:
  """The pools of an adversary and of its members as one.

  Args:
    pools: pools by the name of the party or coalition, the adversary's first;
      it says which learner is the chosen one.
  """
  first, *others = pools.values()
  if not others:
    return first
  names = [
    [f"{learner} by {name}" for learner in pool.names]
    for name, pool in list(pools.items())[1:]
  ]
  train, test = (
    np.concatenate([getattr(p, rows) for p in pools.values()], axis=1)
    for rows in ("train", "test")
  )
  return Scores(np.append(first.names, names), train, test, first.chosen)


def _with(scores, more):
  more = _in_order(np.asarray(more), scores.dtype)
  return np.concatenate([scores, more[:, None]], axis=1)


def pool(
  train: Shaped[np.ndarray, "n width"],
  test: Shaped[np.ndarray, "others width"],
  draws: Sequence[Labels],
  classes: int,
) -> Scores:
  """Trains all learners on each draw of labels and scores all rows.

  Rows without a label that are equal to another are left out and answered as
  that one is. Of the others label spreading and self-training use at most
  `ROWS` and `TRAINED`: all labelled ones, and more drawn at random. The
  remaining rows are answered by their nearest neighbours (spreading) or by the
  model.

  Args:
    train: vectors of the training rows.
    test: vectors of the test rows.
    draws: labelled rows of every seed and draw.
    classes: number of classes.

  Returns:
    Scores that rank the classes within each row; they are not probabilities.
  """
  rows = np.concatenate([train, test]).astype(np.float32)
  labelled = np.unique(np.concatenate([draw.rows for draw in draws]))
  distinct, answer = rows_of.distinct(rows, labelled)
  rows, labelled = rows[distinct], np.searchsorted(distinct, labelled)
  draws = [
    draw._replace(rows=np.searchsorted(distinct, draw.rows)) for draw in draws
  ]
  folds = [_folds(draw, classes) for draw in draws]
  halves = [fitted for pair in folds for fitted, _ in pair]
  # with many classes only the order of the best few matters
  kind = np.float32 if classes == 2 else np.float16
  names: list[str] = []
  answers: list[np.ndarray] = []  # of each learner `[draws, rows, classes]`
  right: list[np.ndarray] = []  # of each learner `[draws]` on held-out labels
  for preparation, prepare in rows_of.PREPARATIONS.items():
    prepared = prepare(rows)
    for name, learner in LEARNERS.items():
      names.append(f"{name}, {preparation}")
      tasks = [*draws, *halves] if name != "self-training" else draws
      with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # e.g. no convergence on few labels
        whole = np.concatenate(
          [
            _in_order(learner(prepared, labelled, part, classes), kind)
            for part in _parts(tasks, rows.shape[0] * classes)
          ]
        )
      answers.append(whole[: len(draws)])
      right.append(_right(whole[len(draws) :], folds))
  finished = np.stack(answers, axis=1)[:, :, answer]
  return Scores(
    np.array(names),
    finished[:, :, : len(train)],
    finished[:, :, len(train) :],
    np.argmax(right, axis=0),
  )


def _parts(tasks, numbers):
  """Tasks, as many at a time as make `_AT_ONCE` numbers of scores."""
  size = max(1, _AT_ONCE // numbers)
  return [tasks[i : i + size] for i in range(0, len(tasks), size)]


def _in_order(scores, kind):
  """Scores below the best of their row, where rounding hurts least."""
  below = scores - scores.max(-1, keepdims=True)
  return np.maximum(below, np.finfo(kind).min).astype(kind)


# --- learners: `learner(rows, labelled, tasks, classes) -> scores` ------------


def _spreading(share: float):
  def learner(rows, labelled, tasks, classes):
    seen = rows_of.seen(len(rows), labelled, ROWS)
    return spreading.scores(rows, seen, tasks, classes, share)

  return learner


def _supervised(build: Callable[[int], Any], components: int = 0):
  """A learner that uses labelled rows only; `build(rows per class)`."""

  def learner(rows, labelled, tasks, classes):
    rows = _reduced(
      rows, components, rows_of.seen(len(rows), labelled, TRAINED)
    )
    return np.stack(
      [
        _predicted(
          build(len(task.rows) // classes).fit(rows[task.rows], task.labels),
          rows,
          classes,
        )
        for task in tasks
      ]
    )

  return learner


def _self_training(rows, labelled, tasks, classes):
  """Logistic regression that five times adds the labels it is confident of."""
  from sklearn import linear_model
  from sklearn import semi_supervised

  seen = rows_of.seen(len(rows), labelled, TRAINED)
  rows = _reduced(rows, COMPONENTS, seen)
  out = []
  for task in tasks:
    labels = np.full(len(rows), -1)
    labels[task.rows] = task.labels
    model = semi_supervised.SelfTrainingClassifier(
      linear_model.LogisticRegression(max_iter=30), max_iter=5
    ).fit(rows[seen], labels[seen])
    out.append(_predicted(model, rows, classes))
  return np.stack(out)


def _reduced(rows, components, seen):
  """Rows on principal components, if there are more columns than those."""
  from sklearn import decomposition

  if not components or rows.shape[1] <= components:
    return rows
  count = min(components, len(seen))
  return (
    decomposition.PCA(count, random_state=0).fit(rows[seen]).transform(rows)
  )


def _predicted(model, rows, classes):
  """Scores of all classes, including those that the labels lack."""
  out = np.zeros((len(rows), classes), np.float32)
  score = getattr(model, "decision_function", None) or model.predict_proba
  for start in range(0, len(rows), _BLOCK):
    block = score(rows[start : start + _BLOCK])
    if block.ndim == 1:
      block = np.stack([-block, block], axis=1)
    out[start : start + _BLOCK, model.classes_] = block
  return out


def _nearest(per_class: int):
  from sklearn import neighbors

  return neighbors.KNeighborsClassifier(
    min(5, per_class), weights="distance", algorithm="brute"
  )


def _machine(per_class: int):
  from sklearn import svm

  return svm.SVC(C=10.0)


def _regression(per_class: int):
  from sklearn import linear_model

  return linear_model.LogisticRegression()


LEARNERS: dict[str, Callable[..., Float[np.ndarray, "tasks rows classes"]]] = {
  **{f"label spreading {s:g}": _spreading(s) for s in _SPREADS},
  "self-training": _self_training,
  "nearest neighbours": _supervised(_nearest),
  "support vectors": _supervised(_machine),
  "logistic regression": _supervised(_regression, COMPONENTS),
}


# --- the honest choice --------------------------------------------------------


def _folds(draw: Labels, classes: int) -> list[tuple[Labels, Labels]]:
  """Folds of two-fold cross-validation; none if a class has a single label."""
  if np.bincount(draw.labels, minlength=classes).min() < 2:
    return []
  order = np.argsort(draw.labels, kind="stable")
  within = np.arange(len(order)) - np.searchsorted(
    draw.labels[order], draw.labels[order]
  )
  halves = [order[within % 2 == half] for half in (0, 1)]
  both = [Labels(draw.rows[h], draw.labels[h]) for h in halves]
  return [(both[0], both[1]), (both[1], both[0])]


def _right(
  scores: Float[np.ndarray, "halves rows classes"],
  folds: Sequence[Sequence[tuple[Labels, Labels]]],
) -> np.ndarray:
  """Number of held-out labels that a learner predicts, by draw.

  It is -1 for a learner that is not cross-validated, and 0 without folds.
  """
  if not len(scores):
    return np.where([bool(pair) for pair in folds], -1, 0)
  counts, answers = [], iter(scores)
  for pair in folds:
    counts.append(
      sum(
        int((next(answers)[held.rows].argmax(-1) == held.labels).sum())
        for _, held in pair
      )
    )
  return np.array(counts)
