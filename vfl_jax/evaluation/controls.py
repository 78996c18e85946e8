"""What an attack is held against: controls beside it, a ceiling above it.

A control gets the same auxiliary labels but nothing that came out of the
federation. No-VFL has the attack's rows and budget exactly; features-only
learners look at `UNLABELLED` other rows on `COMPONENTS` principal components.
"""

import functools
from typing import Any
import warnings

import jax
import jax.numpy as jnp
from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np
import optax

from vfl_jax.federation import split
from vfl_jax.models import heads
from vfl_jax.models import normalization
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

UNLABELLED = 1000  # rows the semi-supervised learners may look at
COMPONENTS = 50  # principal components they see of wider features
_CALIBRATION, _BATCH = 30, 128  # batches, rows of each: see `untrained`


def untrained(net: split.Net, party: int, keys, inputs) -> Any:
  """Bottoms at random init whose normalisation statistics come from x_k.

  They are running averages over 30 random batches of 128 rows.

  Args:
    net: the split model.
    party: whose bottom.
    keys: one per seed.
    inputs: per party the training features.

  Returns:
    Variables of the bottom with a seed axis.
  """
  example = trees.take(tuple(inputs), slice(0, 2))
  drawn = [net.init(key, example)["bottoms"][party] for key in keys]
  variables = jax.tree.map(lambda *a: np.stack(a), *drawn)
  if not jax.tree.leaves(variables["stats"]):
    return variables
  how = axes.method(net.model.convolutional)
  return _calibrated(net.bottom, how)(keys, variables, inputs[party])


@functools.lru_cache
def _calibrated(bottom, how):
  """One program for all parties and experiments of a process."""

  def calibrate(key, variables, x):
    batch = min(_BATCH, trees.rows(x))

    def body(variables, rows):
      _, stats = bottom(variables, trees.take(x, rows), train=True)
      return {**variables, "stats": stats}, None

    drawn = rng.integers(key, (_CALIBRATION, batch), trees.rows(x))
    after, _ = jax.lax.scan(body, variables, drawn)
    # running averages still hold a share of their initial values: removed
    left = normalization.DECAY**_CALIBRATION
    stats = jax.tree.map(
      lambda new, old: (new - left * old) / (1 - left),
      after["stats"],
      variables["stats"],
    )
    return {**variables, "stats": stats}

  return jax.jit(axes.over(calibrate, how, in_axes=(0, 0, None)))


def features_only(
  train: Shaped[np.ndarray, "rows width"],
  test: Shaped[np.ndarray, "others width"],
  aux_rows: Integer[np.ndarray, " labelled"],
  aux_labels: Integer[np.ndarray, " labelled"],
  num_classes: int,
) -> tuple[np.ndarray, np.ndarray, str]:
  """Standard semi-supervised learning on the party's own features.

  Self-training logistic regression or label spreading, chosen by two-fold
  cross-validation on the auxiliary labels (the first on ties). One label of
  each class cannot choose, and either is by far the weaker on some data: then
  the mean of both counts.

  Args:
    train: vectors of the training rows.
    test: vectors of the test rows.
    aux_rows: labelled training rows, grouped by class.
    aux_labels: their labels.
    num_classes: number of classes.

  Returns:
    Scores of train and test rows `[n, classes]`, and the learner's name.
  """
  from sklearn import decomposition
  from sklearn import linear_model
  from sklearn import model_selection
  from sklearn import neighbors
  from sklearn import pipeline
  from sklearn import preprocessing
  from sklearn import semi_supervised

  generator = np.random.default_rng(int(aux_rows[0]))
  others = np.setdiff1d(np.arange(len(train)), aux_rows)
  others = generator.permutation(others)[:UNLABELLED]
  steps: list[Any] = [preprocessing.StandardScaler()]
  if train.shape[1] > COMPONENTS:
    rows = min(len(aux_rows) + len(others), COMPONENTS)
    steps.append(decomposition.PCA(rows, random_state=0))
  prepare = pipeline.make_pipeline(*steps)
  used = np.concatenate([aux_rows, others])
  x = prepare.fit_transform(train[used])

  def self_training(labels):
    return semi_supervised.SelfTrainingClassifier(
      linear_model.LogisticRegression(), max_iter=5
    ).fit(x, labels)

  def label_spreading(labels):
    near = min(7, len(x) - 1)
    spread = semi_supervised.LabelSpreading(
      kernel="knn", n_neighbors=near, max_iter=100
    ).fit(x, labels)
    reached = spread.label_distributions_.sum(1) > 0
    near = min(near, int(reached.sum()))
    # its own prediction of new rows is a slow loop; this is the same rule
    return neighbors.KNeighborsClassifier(near).fit(
      x[reached], spread.transduction_[reached]
    )

  learners = {
    "self-training": self_training,
    "label spreading": label_spreading,
  }

  def fitted(name, labels):
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # few labels: no convergence, say
      return learners[name](labels)

  known = len(aux_rows)
  labels = np.concatenate([aux_labels, np.full(len(others), -1)])
  chosen = list(learners)
  if np.bincount(aux_labels, minlength=num_classes).min() >= 2:
    right = dict.fromkeys(learners, 0)
    folds = model_selection.StratifiedKFold(2).split(aux_rows, aux_labels)
    for _, held in folds:
      part = labels.copy()
      part[held] = -1
      for name in learners:
        guess = fitted(name, part).predict(x[:known][held])
        right[name] += int((guess == aux_labels[held]).sum())
    chosen = [max(right, key=lambda name: right[name])]
  models = [fitted(name, labels) for name in chosen]

  def scores(rows):
    out = np.zeros((len(rows), num_classes))
    for start in range(0, len(rows), 2000):
      block = prepare.transform(rows[start : start + 2000])
      for model in models:
        share = model.predict_proba(block) / len(models)
        out[start : start + 2000, model.classes_] += share
    return out

  return scores(train), scores(test), " and ".join(chosen)


def ceiling(keys, train, test, labels, num_classes: int, steps: int):
  """Scores of heads trained on every label: what the embedding could give.

  Args:
    keys: one per seed.
    train: embeddings of the training rows, `[seeds, n, d]`.
    test: of the test rows.
    labels: of the training rows.
    num_classes: number of classes.
    steps: of Adam, batch 128.

  Returns:
    `(train, test)` scores of the head (linear or published) that fits the
    training rows better, per seed.
  """

  return _heads(keys, train, test, labels, num_classes, steps)


@functools.partial(jax.jit, static_argnums=(4, 5))
def _heads(keys, train, test, labels, num_classes, steps):

  def one(key, train, test, labels):
    fits = [
      _supervised(key, train, test, labels, num_classes, depth, steps)
      for depth in (0, 1)
    ]
    right = jnp.stack(
      [jnp.mean(jnp.argmax(on_train, -1) == labels) for on_train, _ in fits]
    )
    best = jnp.argmax(right)
    return tuple(jnp.stack(s)[best] for s in zip(*fits, strict=True))

  mapped = axes.over(one, "map", in_axes=(0, 0, 0, None))
  return mapped(keys, train, test, labels)


def _supervised(key, train, test, labels, num_classes, depth, steps):
  init, apply = heads.head(num_classes, depth)
  variables = init(rng.stream(key, "head"), train[:2])
  optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, steps))
  batch = min(128, len(labels))

  def step(carry, rows):
    variables, state = carry

    def loss(params):
      logits, stats = apply({**variables, "params": params}, train[rows], True)
      return split.cross_entropy(logits, labels[rows]), stats

    gradient, stats = jax.grad(loss, has_aux=True)(variables["params"])
    change, state = optimizer.update(gradient, state)
    params = optax.apply_updates(variables["params"], change)
    return ({"params": params, "stats": stats}, state), None

  start = (variables, optimizer.init(variables["params"]))
  drawn = rng.integers(rng.stream(key, "steps"), (steps, batch), len(labels))
  (variables, _), _ = jax.lax.scan(step, start, drawn)
  return tuple(apply(variables, x, False)[0] for x in (train, test))
