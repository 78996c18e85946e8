"""Classifiers trained on a few known rows, and the choice among them.

All are scikit-learn's. Which one is used is decided on the known rows alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
import warnings

from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax.runtime import threads

UNLABELLED = 600  # largest number of rows without a label that are learned from
NEIGHBOURS = 7  # of a row in the graph of label spreading
_CLIP = 5.0  # deviations from the median where a value is cut

Rows = Float[np.ndarray, "rows columns"]


class Recipe(NamedTuple):
  """One way to classify.

  Attributes:
    reading: which reading of the rows is classified.
    classifier: key of `CLASSIFIERS`.
  """

  reading: str
  classifier: str

  @property
  def name(self) -> str:
    return f"{self.classifier} on {self.reading}"


class Known(NamedTuple):
  """Rows whose label is known.

  Attributes:
    rows: their numbers, `[m]`.
    labels: their labels, `[m]`.
  """

  rows: Integer[np.ndarray, " m"]
  labels: Integer[np.ndarray, " m"]


class Choice(NamedTuple):
  """The recipe that predicts known rows best that it was not given.

  Attributes:
    recipe: its number.
    validation: share of the held-out known rows that it predicts; NaN where
      none could be held out, and the first recipe is taken.
  """

  recipe: int
  validation: float


def units(columns: Rows) -> Rows:
  """Columns in median deviations from their medians, cut at five."""
  centred = columns - np.median(columns, axis=0)
  middle = np.median(np.abs(centred), axis=0)
  # more than half of a sparse column is alike: its unit is the deviation
  spread = np.where(middle > 0, 1.4826 * middle, centred.std(0))
  return np.clip(centred / np.where(spread > 0, spread, 1), -_CLIP, _CLIP)


def choose(
  readings: dict[str, Rows],
  known: Known,
  recipes: Sequence[Recipe],
  folds: int,
  seed: int,
) -> Choice:
  """Chooses a recipe by cross-validation on the known rows.

  Args:
    readings: readings of all rows, by name.
    known: the known rows.
    recipes: the recipes to choose from.
    folds: number of folds; fewer where a class has fewer known rows.
    seed: seed of the folds.
  """
  from sklearn import model_selection

  present = np.bincount(known.labels)
  folds = min(folds, int(present[present > 0].min()))
  if folds < 2:
    return Choice(0, float("nan"))
  splits = model_selection.StratifiedKFold(
    folds, shuffle=True, random_state=seed % 2**32
  )
  right = np.zeros(len(recipes))
  score = np.zeros(len(recipes))
  for fit, held in splits.split(known.rows, known.labels):
    some = Known(known.rows[fit], known.labels[fit])
    for number, recipe in enumerate(recipes):
      columns = readings[recipe.reading]
      chances = fitted(columns, some, recipe)(columns[known.rows[held]])
      column = np.searchsorted(np.unique(some.labels), known.labels[held])
      right[number] += (chances.argmax(1) == column).sum()
      # probability breaks ties
      score[number] += 1e-3 * chances[np.arange(len(held)), column].sum()
  best = int(np.argmax(right + score))
  return Choice(best, float(right[best] / len(known.rows)))


def fitted(
  columns: Rows, known: Known, recipe: Recipe
) -> Callable[[Rows], Rows]:
  """Trains the classifier of a recipe.

  Args:
    columns: all rows in the recipe's reading.
    known: the rows to learn from; others are seen without a label.
    recipe: the recipe.

  Returns:
    `predict(columns) -> probabilities` of the classes of `known.labels`, in
    ascending order.
  """
  with warnings.catch_warnings(), threads.alone():
    warnings.simplefilter("ignore")  # e.g. columns that are alike
    return CLASSIFIERS[recipe.classifier](columns, known)


def _supervised(build: Callable[[], Any]):
  """Learns from the known rows only."""

  def fit(columns, known):
    return _chances(build().fit(columns[known.rows], known.labels))

  return fit


def _transductive(build: Callable[[int], Any]):
  """Learns from rows without a label too, which have the label -1."""

  def fit(columns, known):
    others = np.setdiff1d(np.arange(len(columns)), known.rows)
    drawn = np.random.default_rng(0).permutation(others)[:UNLABELLED]
    rows = np.concatenate([known.rows, drawn])
    labels = np.concatenate([known.labels, np.full(len(drawn), -1)])
    return _chances(build(len(rows)).fit(columns[rows], labels))

  return fit


def _chances(model):
  """Probabilities, or softmax of decisions where there are none."""
  from scipy import special

  def predict(columns):
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # a row that no label reaches
      if hasattr(model, "predict_proba"):
        return np.nan_to_num(model.predict_proba(columns))
      scores = model.decision_function(columns)
      if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
      return special.softmax(scores, axis=1)

  return predict


def _discriminants(columns, known):
  """Regression where each class has one row, which tells nothing of spreads."""
  from sklearn import discriminant_analysis

  if len(known.rows) <= len(np.unique(known.labels)):
    return _supervised(_regression)(columns, known)
  build = lambda: discriminant_analysis.LinearDiscriminantAnalysis(
    solver="lsqr", shrinkage="auto"
  )
  return _supervised(build)(columns, known)


def _regression():
  from sklearn import linear_model

  return linear_model.LogisticRegression(max_iter=200)


def _machine():
  from sklearn import svm

  return svm.SVC(C=10.0)


def _self_training(count):
  del count
  from sklearn import semi_supervised

  return semi_supervised.SelfTrainingClassifier(
    _regression(), threshold=0.9, max_iter=3
  )


def _spreading(count):
  from sklearn import semi_supervised

  return semi_supervised.LabelSpreading(
    kernel="knn", n_neighbors=min(NEIGHBOURS, count), alpha=0.2, max_iter=100
  )


# each `fit(columns, known) -> predict`
CLASSIFIERS: dict[str, Callable[[Rows, Known], Callable[[Rows], Rows]]] = {
  "shrunken discriminants": _discriminants,
  "logistic regression": _supervised(_regression),
  "support vectors": _supervised(_machine),
  "self-training": _transductive(_self_training),
  "label spreading": _transductive(_spreading),
}
