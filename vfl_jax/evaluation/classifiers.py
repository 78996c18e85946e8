"""The learners of a control: `learner(prepared, tasks, classes) -> scores`.

Each scores all rows for every task, a draw of labelled rows. All are
scikit-learn's except label spreading (see `spreading`). What several of them
need of the rows is computed once: the graph, and the distances to labelled
rows.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

from jaxtyping import Float
import numpy as np

from vfl_jax.evaluation import rows as rows_of
from vfl_jax.evaluation import spreading
from vfl_jax.runtime import threads

COMPONENTS = 50  # principal components, for linear learners of wider rows
ROWS = 20000  # largest number of rows in the graph of label spreading
TRAINED = 5000  # largest number of rows that self-training uses
_SPREADS = (0.2, 0.9)  # share of a row's label that its neighbours decide
_BLOCK = 2000  # rows predicted at a time


class Labels(NamedTuple):
  """One draw of labelled rows.

  Attributes:
    rows: numbers of the training rows, grouped by class, `[m]`.
    labels: classes of those rows, `[m]`.
  """

  rows: np.ndarray
  labels: np.ndarray


class Prepared:
  """All rows in one preparation, and what several learners need of them.

  Attributes:
    rows: vectors of all rows.
    labelled: numbers of the rows that some draw labels, sorted.
  """

  def __init__(self, rows: np.ndarray, labelled: np.ndarray):
    self.rows, self.labelled = rows, labelled

  @functools.cached_property
  def graph(self) -> spreading.Graph:
    seen = rows_of.seen(len(self.rows), self.labelled, ROWS)
    return spreading.build(self.rows, seen)

  @functools.cached_property
  def seen(self) -> np.ndarray:
    """Numbers of the rows that principal components and self-training see."""
    return rows_of.seen(len(self.rows), self.labelled, TRAINED)

  @functools.cached_property
  def components(self) -> np.ndarray:
    """Rows on principal components, if there are more columns than those."""
    from sklearn import decomposition

    count = min(COMPONENTS, len(self.seen))
    if self.rows.shape[1] <= COMPONENTS:
      return self.rows
    model = decomposition.PCA(count, random_state=0)
    return model.fit(self.rows[self.seen]).transform(self.rows)

  @functools.cached_property
  def squares(self) -> np.ndarray:
    """Squared distances to every labelled row, `[rows, labelled]`."""
    from sklearn import metrics

    labelled = self.rows[self.labelled]
    return np.concatenate(
      [
        metrics.euclidean_distances(
          self.rows[start : start + _BLOCK], labelled, squared=True
        )
        for start in range(0, len(self.rows), _BLOCK)
      ]
    )

  def squares_of(self, task: Labels) -> np.ndarray:
    """Squared distances to the labelled rows of a task, `[rows, m]`."""
    return self.squares[:, np.searchsorted(self.labelled, task.rows)]


def _spreading(share: float):
  def learner(prepared, tasks, classes):
    return spreading.scores(prepared.graph, tasks, classes, share)

  return learner


def _nearest(prepared, tasks, classes):
  from sklearn import neighbors

  out = []
  for task in tasks:
    distances = np.sqrt(prepared.squares_of(task))
    model = neighbors.KNeighborsClassifier(
      min(5, len(task.rows) // classes),
      weights="distance",
      metric="precomputed",
    ).fit(distances[task.rows], task.labels)
    out.append(_predicted(model, distances, classes))
  return np.stack(out)


def _machine(prepared, tasks, classes):
  """Support vectors with the kernel exp(-g d^2), g scaled as by default."""
  from sklearn import svm

  out = []
  for task in tasks:
    rows = prepared.rows[task.rows]
    spread = float(rows.var()) or 1.0
    kernel = np.exp(-prepared.squares_of(task) / (rows.shape[1] * spread))
    model = svm.SVC(C=10.0, kernel="precomputed")
    model.fit(kernel[task.rows], task.labels)
    out.append(_predicted(model, kernel, classes))
  return np.stack(out)


def _regression(prepared, tasks, classes):
  from sklearn import linear_model

  rows, out = prepared.components, []
  for task in tasks:
    with threads.alone():
      model = linear_model.LogisticRegression()
      model.fit(rows[task.rows], task.labels)
    out.append(_predicted(model, rows, classes))
  return np.stack(out)


def _self_training(prepared, tasks, classes):
  """Logistic regression that five times adds the labels it is confident of."""
  from sklearn import linear_model
  from sklearn import semi_supervised

  rows, seen = prepared.components, prepared.seen
  out = []
  for task in tasks:
    labels = np.full(len(rows), -1)
    labels[task.rows] = task.labels
    with threads.alone():
      model = semi_supervised.SelfTrainingClassifier(
        linear_model.LogisticRegression(max_iter=30), max_iter=5
      ).fit(rows[seen], labels[seen])
    out.append(_predicted(model, rows, classes))
  return np.stack(out)


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


LEARNERS: dict[str, Callable[..., Float[np.ndarray, "tasks rows classes"]]] = {
  **{f"label spreading {s:g}": _spreading(s) for s in _SPREADS},
  "self-training": _self_training,
  "nearest neighbours": _nearest,
  "support vectors": _machine,
  "logistic regression": _regression,
}
