"""Classifiers of gradients and of embeddings, trained on the known samples.

Other rules compare lengths and angles of whole vectors, where a column with
large values decides, or train a head whose steps are few. A label in one quiet
column, in signs under magnitudes of all sizes, or on rings is found by a plain
classifier in units of each column.
"""

import jax
from jaxtyping import Float
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import recipes
from vfl_jax.attacks import views
from vfl_jax.runtime import rng

COLUMNS = 512  # largest number of columns that classifiers are given
_FLOOR = 1e-6  # probability of a class without a known sample
_LINEAR = ("shrunken discriminants", "logistic regression", "self-training")
OF_GRADIENTS = [
  *(
    recipes.Recipe(reading, name)
    for reading in ("units", "signs")
    for name in _LINEAR
  ),
  recipes.Recipe("units", "support vectors"),
  recipes.Recipe("units", "label spreading"),
]
OF_EMBEDDINGS = [
  recipes.Recipe("units", "shrunken discriminants"),
  *(
    recipes.Recipe(reading, name)
    for reading in ("units", "sizes as sent", "rows of length one")
    for name in ("support vectors", "label spreading")
  ),
]


def supervised_gradients(*, folds: int = 5) -> base.Attack:
  """Classifies gradients by known samples, in units of each column or by signs.

  Shrunken linear discriminants, logistic regression, self-training, support
  vectors and label spreading; the one that predicts held-out known samples best
  is used.

  Args:
    folds: folds of the cross-validation on the known samples; fewer where a
      class has fewer samples. With one sample per class the first is used.

  Raises:
    ValueError: there are fewer than 2 folds.

  Source: ours; the classifiers are scikit-learn's.
  """
  _at_least_two("supervised_gradients", folds)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    observed = views.gradients(view)
    covered = np.asarray(observed.covered)
    rows = np.asarray(views.recorded(view, view.trial.aux_rows))
    usable = covered[rows]
    place = np.cumsum(covered) - 1  # of a row among the covered ones
    known = recipes.Known(
      place[rows[usable]], np.asarray(view.trial.aux_labels)[usable]
    )
    read = of_gradients(
      np.asarray(observed.vectors)[covered],
      np.asarray(observed.norms)[covered],
      _number(key),
    )
    logs, details = _answered(key, view, read, known, OF_GRADIENTS, folds)
    scores = np.full((len(covered), logs.shape[1]), np.nan, np.float32)
    scores[covered] = logs
    return base.Inference(
      scores, None, rows=np.asarray(view.shared.recorded_rows), details=details
    )

  return _attack("gradients", infer, OF_GRADIENTS, folds)


def supervised_embeddings(*, folds: int = 5) -> base.Attack:
  """Classifies embeddings by known samples, also by kernels and neighbours.

  Shrunken linear discriminants, support vectors and label spreading; the one
  that predicts held-out known samples best is used.

  Args:
    folds: see `supervised_gradients`.

  Raises:
    ValueError: there are fewer than 2 folds.

  Source: ours; the classifiers are scikit-learn's.
  """
  _at_least_two("supervised_embeddings", folds)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    train, test = (np.asarray(h) for h in views.embeddings(view))
    known = recipes.Known(
      np.asarray(view.trial.aux_rows), np.asarray(view.trial.aux_labels)
    )
    read = of_embeddings(np.concatenate([train, test]), _number(key))
    logs, details = _answered(key, view, read, known, OF_EMBEDDINGS, folds)
    return base.Inference(
      logs[: len(train)], logs[len(train) :], details=details
    )

  return _attack("bottom", infer, OF_EMBEDDINGS, folds)


def _attack(what, infer, choices, folds):
  return base.Attack(
    frozenset({"auxiliary", what}),
    infer,
    f"one of {len(choices)} classifiers, chosen by {folds}-fold "
    "cross-validation on the auxiliary labels",
    names={"recipe": [r.name for r in choices]},
    compiled=False,
    joins=what == "gradients",
  )


def _at_least_two(name, folds):
  if folds < 2:
    raise ValueError(f"attack {name!r}: folds is {folds}; take at least 2.")


def _number(key) -> int:
  return int(rng.generator(key).integers(2**31))


def _answered(key, view, read, known, choices, folds):
  """Log probabilities of all rows, and what was chosen."""
  count = len(next(iter(read.values())))
  logs = np.full((count, view.public.num_classes), np.nan, np.float32)
  choice = recipes.Choice(0, float("nan"))
  classes = np.unique(known.labels)
  if len(classes) == 1:  # all that is known of: as a nearest sample would say
    logs[:] = np.log(_FLOOR)
    logs[:, classes] = 0.0
  if len(classes) > 1:
    choice = recipes.choose(read, known, choices, folds, _number(key))
    recipe = choices[choice.recipe]
    columns = read[recipe.reading]
    chances = recipes.fitted(columns, known, recipe)(columns)
    logs[:] = np.log(_FLOOR)
    logs[:, classes] = np.log(np.maximum(chances, _FLOOR))
  return logs, {
    "recipe": np.asarray(choice.recipe),
    "validation": np.float32(choice.validation),
  }


def of_gradients(
  vectors: Float[np.ndarray, "rows width"],
  norms: Float[np.ndarray, " rows"],
  seed: int = 0,
) -> dict[str, recipes.Rows]:
  """What classifiers are given of gradients.

  Args:
    vectors: gradients.
    norms: their norms.
    seed: seed of the projection of more than `COLUMNS` columns.

  Returns:
    "units": columns in median deviations from their medians, the logarithm of
    the norm among them. "signs": signs of the columns.
  """
  logs = np.log(np.maximum(norms, 1e-30))[:, None]
  columns = np.concatenate([vectors, logs], axis=1).astype(np.float64)
  return {
    "units": _narrow(recipes.units(columns), seed),
    "signs": _narrow(np.sign(columns[:, :-1]), seed),
  }


def of_embeddings(
  vectors: Float[np.ndarray, "rows width"], seed: int = 0
) -> dict[str, recipes.Rows]:
  """What classifiers are given of embeddings.

  Args:
    vectors: embeddings of training and test rows.
    seed: seed of the projection of more than `COLUMNS` columns.

  Returns:
    "units" as of gradients, without the norm; "sizes as sent", in one unit for
    all columns; "rows of length one", of the units.
  """
  centred = vectors.astype(np.float64) - vectors.mean(0)
  scaled = recipes.units(centred)
  length = np.linalg.norm(scaled, axis=1, keepdims=True)
  return {
    "units": _narrow(scaled, seed),
    "sizes as sent": _narrow(centred / (centred.std() or 1.0), seed),
    "rows of length one": _narrow(scaled / np.maximum(length, 1e-12), seed),
  }


def _narrow(columns, seed):
  """At most `COLUMNS` columns, random combinations of all of them."""
  width = columns.shape[1]
  if width <= COLUMNS:
    return columns
  mix = np.random.default_rng(seed).standard_normal((width, COLUMNS))
  return columns @ (mix / np.sqrt(width))
