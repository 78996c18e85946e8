"""Learners that see one party's features and a few labels, and nothing else.

Nothing here comes out of a federation. A control built on these learners shows
what the known labels reveal without a federation. A weak control would make an
attack look like a leak, so there is a pool of learners, each on three
preparations of the features, and they may use all rows, labelled or not,
training or test.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
import warnings

from jaxtyping import Float
from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

from vfl_jax.evaluation import classifiers
from vfl_jax.evaluation import neighbours
from vfl_jax.evaluation import rows as rows_of
from vfl_jax.evaluation import spreading
from vfl_jax.runtime import kept

_Fold = tuple[classifiers.Labels, classifiers.Labels]  # to fit on, to score on
_AT_ONCE = 2**26  # scores held at a time, before they are rounded


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
  draws = [
    classifiers.Labels(*d) for d in zip(aux_rows, aux_labels, strict=True)
  ]
  return kept.kept(
    Scores,
    lambda: pool(train, test, draws, classes),
    (train, test, aux_rows, aux_labels, classes),
    [
      __file__,
      *(str(m.__file__) for m in (classifiers, neighbours, rows_of, spreading)),
    ],
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
  draws: Sequence[classifiers.Labels],
  classes: int,
) -> Scores:
  """Trains all learners on each draw of labels and scores all rows.

  Rows without a label that are equal to another are left out and answered as
  that one is. Of the others label spreading and self-training use at most
  `ROWS` and `TRAINED` (see `classifiers`): all labelled ones, and more drawn at
  random. The remaining rows are answered by their nearest neighbours
  (spreading) or by the model.

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
    prepared = classifiers.Prepared(prepare(rows), labelled)
    for name, learner in classifiers.LEARNERS.items():
      names.append(f"{name}, {preparation}")
      tasks = [*draws, *halves] if name != "self-training" else draws
      with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # e.g. no convergence on few labels
        whole = np.concatenate(
          [
            _in_order(learner(prepared, part, classes), kind)
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


# --- the honest choice --------------------------------------------------------


def _folds(
  draw: classifiers.Labels, classes: int
) -> list[tuple[classifiers.Labels, classifiers.Labels]]:
  """Folds of two-fold cross-validation; none if a class has a single label."""
  if np.bincount(draw.labels, minlength=classes).min() < 2:
    return []
  order = np.argsort(draw.labels, kind="stable")
  within = np.arange(len(order)) - np.searchsorted(
    draw.labels[order], draw.labels[order]
  )
  halves = [order[within % 2 == half] for half in (0, 1)]
  both = [classifiers.Labels(draw.rows[h], draw.labels[h]) for h in halves]
  return [(both[0], both[1]), (both[1], both[0])]


def _right(
  scores: Float[np.ndarray, "halves rows classes"],
  folds: Sequence[Sequence[_Fold]],
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
