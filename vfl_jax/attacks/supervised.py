"""Classifiers of the cut gradients, trained on the known samples.

The other rules on gradients compare lengths and angles of whole vectors, where
a column with large values decides. A label in one quiet column, or in signs
under magnitudes of all sizes, is seen only in units of each column.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
import warnings

import jax
from jaxtyping import Float
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import views
from vfl_jax.runtime import rng

COLUMNS = 512  # largest number of columns that classifiers are given
UNLABELLED = 600  # largest number of rows without a label that are learned from
_CLIP = 5.0  # median deviations from the median where a value is cut
_CERTAIN = 1e-3  # least probability of a held-out label that is counted


class Recipe(NamedTuple):
  """One way to classify: what is read of the rows, and by which classifier.

  Attributes:
    reading: key of `READINGS`.
    classifier: key of `CLASSIFIERS`.
    unlabelled: whether it learns from its own confident answers too.
  """

  reading: str
  classifier: str
  unlabelled: bool = False

  @property
  def name(self) -> str:
    more = ", self-training" if self.unlabelled else ""
    return f"{self.classifier} on {self.reading}{more}"


def supervised_gradients(*, folds: int = 5) -> base.Attack:
  """Classifies gradients by known samples, in units of each column or by signs.

  Shrunken linear discriminants and logistic regression are trained on the known
  samples, some of them on their own confident answers too. The recipe that
  predicts held-out known samples best is used.

  Args:
    folds: folds of the cross-validation on the known samples; fewer where a
      class has fewer samples. With one sample per class the first recipe is
      used.

  Raises:
    ValueError: there are fewer than 2 folds.

  Source: ours; the classifiers are scikit-learn's.
  """
  if folds < 2:
    raise ValueError(
      f"attack 'supervised_gradients': folds is {folds}; take at least 2."
    )

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    observed = views.gradients(view)
    covered = np.asarray(observed.covered)
    rows = np.asarray(views.recorded(view, view.trial.aux_rows))
    usable = covered[rows]
    labels = np.asarray(view.trial.aux_labels)[usable]
    place = np.cumsum(covered) - 1  # of a row among the covered ones
    known = place[rows[usable]]
    classes = view.public.num_classes
    scores = np.full((len(covered), classes), np.nan, np.float32)
    chosen, certainty = -1, np.nan
    if len(np.unique(labels)) > 1:
      seed = int(rng.generator(key).integers(2**31))
      given = readings(
        np.asarray(observed.vectors)[covered],
        np.asarray(observed.norms)[covered],
        seed,
      )
      held = [
        _held_out(given[r.reading], known, labels, r, folds, seed)
        for r in RECIPES
      ]
      chosen, certainty = int(np.argmax(held)), float(np.max(held))
      recipe = RECIPES[chosen]
      model = _fitted(given[recipe.reading], known, labels, recipe)
      scores[covered] = _FLOOR
      scores[np.ix_(covered, model.classes_)] = _logs(
        model, given[recipe.reading]
      )
    return base.Inference(
      scores,
      None,
      rows=np.asarray(view.shared.recorded_rows),
      details={
        "recipe": np.asarray(max(chosen, 0)),
        "validation": np.float32(certainty),
      },
    )

  return base.Attack(
    frozenset({"auxiliary", "gradients"}),
    infer,
    f"one of {len(RECIPES)} classifiers, chosen by {folds}-fold "
    "cross-validation on the auxiliary labels",
    names={"recipe": [r.name for r in RECIPES]},
    compiled=False,
    joins=True,
  )


_FLOOR = np.log(1e-6)  # log probability of a class without a known sample


def readings(
  vectors: Float[np.ndarray, "rows width"],
  norms: Float[np.ndarray, " rows"],
  seed: int = 0,
) -> dict[str, Float[np.ndarray, "rows columns"]]:
  """What classifiers are given of the gradients.

  Args:
    vectors: gradients.
    norms: their norms.
    seed: seed of the projection of more than `COLUMNS` columns.

  Returns:
    "units": columns in median deviations from their medians, the norm's
    logarithm among them, cut at five. "signs": signs of the columns.
  """
  logs = np.log(np.maximum(norms, 1e-30))[:, None]
  columns = np.concatenate([vectors, logs], axis=1).astype(np.float64)
  columns = columns[:, np.ptp(columns, axis=0) > 0]
  if not columns.shape[1]:
    columns = np.zeros((len(vectors), 1))
  signs = np.sign(vectors.astype(np.float64))
  return {
    "units": _narrow(_units(columns), seed),
    "signs": _narrow(signs, seed),
  }


def _units(columns):
  """Columns in median deviations from the median; tails are cut."""
  centred = columns - np.median(columns, axis=0)
  middle = np.median(np.abs(centred), axis=0)
  # more than half of a sparse column is alike: its deviation is of the rest
  spread = np.where(middle > 0, 1.4826 * middle, centred.std(0))
  return np.clip(centred / np.where(spread > 0, spread, 1), -_CLIP, _CLIP)


def _narrow(columns, seed):
  """At most `COLUMNS` columns, random combinations of all of them."""
  width = columns.shape[1]
  if width <= COLUMNS:
    return columns
  mix = np.random.default_rng(seed).standard_normal((width, COLUMNS))
  return columns @ (mix / np.sqrt(width))


def _discriminant() -> Any:
  from sklearn import discriminant_analysis

  return discriminant_analysis.LinearDiscriminantAnalysis(
    solver="lsqr", shrinkage="auto"
  )


def _regression() -> Any:
  from sklearn import linear_model

  return linear_model.LogisticRegression(max_iter=200)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
  "shrunken discriminants": _discriminant,
  "logistic regression": _regression,
}
RECIPES = [
  Recipe("units", "shrunken discriminants"),
  Recipe("units", "logistic regression"),
  Recipe("signs", "shrunken discriminants"),
  Recipe("signs", "logistic regression"),
  Recipe("units", "logistic regression", unlabelled=True),
  Recipe("signs", "logistic regression", unlabelled=True),
]


def _fitted(columns, known, labels, recipe):
  """The classifier of a recipe, trained on the rows `known`."""
  from sklearn import semi_supervised

  model = CLASSIFIERS[recipe.classifier]()
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # e.g. columns that are alike
    if not recipe.unlabelled:
      return model.fit(columns[known], labels)
    others = np.setdiff1d(np.arange(len(columns)), known)
    drawn = np.random.default_rng(0).permutation(others)[:UNLABELLED]
    return semi_supervised.SelfTrainingClassifier(
      model, threshold=0.9, max_iter=3
    ).fit(
      columns[np.concatenate([known, drawn])],
      np.concatenate([labels, np.full(len(drawn), -1)]),
    )


def _logs(model, columns):
  return np.log(np.maximum(model.predict_proba(columns), 1e-6))


def _held_out(columns, known, labels, recipe, folds, seed):
  """Mean log probability of known samples that the recipe was not given."""
  from sklearn import model_selection

  folds = min(folds, int(np.bincount(labels)[np.unique(labels)].min()))
  if folds < 2:
    return 0.0  # the first recipe is taken
  splits = model_selection.StratifiedKFold(
    folds, shuffle=True, random_state=seed % 2**32
  ).split(known, labels)
  total = 0.0
  for fit, held in splits:
    model = _fitted(columns, known[fit], labels[fit], recipe)
    chances = model.predict_proba(columns[known[held]])
    column = np.searchsorted(model.classes_, labels[held])
    right = chances[np.arange(len(held)), column]
    total += float(np.log(np.maximum(right, _CERTAIN)).sum())
  return total / len(known)
