"""The runs of completion: every weight, on all folds and on all labels."""

from collections.abc import Mapping, Sequence
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import completion_network
from vfl_jax.attacks import semi_supervised
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees as runtime_trees


class Run(NamedTuple):
  """What one variant predicts, trained on all auxiliary labels.

  Attributes:
    validation: accuracy on held-out auxiliary samples at the last look; zero if
      nothing was held out.
    train: scores of the training rows, `[looks, rows, classes]`.
    test: scores of the test rows, likewise.
  """

  validation: jax.Array
  train: jax.Array
  test: jax.Array


def train(
  key: jax.Array,
  view: base.View,
  finetuned: bool,
  depth: int,
  weights: Sequence[float],
  folds: int,
  training: Mapping[str, Any],
) -> Run:
  """Trains variants that differ in their weight, on all folds and all labels.

  One loop trains all of them and one loop predicts.

  Args:
    key: random key of the head's first weights.
    view: view that holds the bottom and the auxiliary samples.
    finetuned: whether the bottom is trained too, see `completion_network.on`.
    depth: depth of the head, see `completion_network.on`.
    weights: weights of the unlabelled loss, relative to the rule's.
    folds: largest number of cross-validation folds.
    training: arguments of `semi_supervised.train` that the runs share.

  Returns:
    The runs; the first axis of every array is the weight.
  """
  network, rows = completion_network.on(
    rng.stream(key, "head"), view, finetuned, depth, training["rule"]
  )
  masks = _folds(view, folds)

  def one(weight, mask):
    rule = training["rule"]
    rule = rule._replace(weight=weight * rule.weight)
    return semi_supervised.train(
      network, view, rows, mask, **{**training, "rule": rule}
    )

  how = axes.method(any(np.ndim(a) == 4 for a in jax.tree.leaves(rows)))
  trained = axes.over(one, how)(
    jnp.repeat(jnp.float32(weights), len(masks)),
    jnp.tile(jnp.asarray(masks), (len(weights), 1)),
  )
  final, held = _scores(
    network, trained, rows, view.trial.aux_rows, len(weights), len(masks) - 1
  )
  count = runtime_trees.rows(view.shared.train)
  return Run(
    _held_out_score(held, view.trial.aux_labels, ~masks[:-1]),
    final[:, :, :count],
    final[:, :, count:],
  )


def _folds(view: base.View, folds: int) -> np.ndarray:
  """Which auxiliary samples each run may use, `[folds + 1, m]`.

  The last run uses all of them. The samples are grouped by class, so taking
  every n-th sample is stratified.
  """
  count = len(view.trial.aux_labels)
  per_class = count // view.public.num_classes
  if per_class < 2:
    return np.ones((1, count), bool)
  fold = np.arange(count) % per_class % min(folds, per_class)
  held = np.arange(min(folds, per_class))[:, None]
  return np.concatenate([fold != held, np.ones((1, count), bool)])


def _scores(network, trained, rows, aux_rows, weights, folds):
  """Predictions of the trained networks, in one loop over blocks of rows.

  Args:
    network: network of all runs.
    trained: `(parameters, stats)` as vectors, with runs and looks as the first
      axes; for each weight the runs are the folds, then all labels.
    rows: inputs of all rows.
    aux_rows: rows that the folds predict.
    weights: number of weights.
    folds: number of folds.

  Returns:
    Scores of the runs on all labels, `[weights, looks, rows, classes]`, and of
    the folds at the last look, `[weights, folds, aux_rows, classes]`.
  """
  _, trees = semi_supervised.vectors(network)
  looks = trained[0].shape[1]
  run = np.arange(weights * (folds + 1)).reshape(weights, folds + 1)
  all_rows = jnp.arange(runtime_trees.rows(rows))
  size = axes.even(len(all_rows), completion_network.ROWS)
  blocks = axes.blocks(all_rows, size)
  jobs = [
    (r, look, blocks) for r, look in itertools.product(run[:, -1], range(looks))
  ]
  few = axes.blocks(jnp.asarray(aux_rows), size)
  jobs += [(r, looks - 1, few) for r in run[:, :-1].ravel()]
  sizes = [len(index) for _, _, index in jobs]

  def predict(job):
    run, look, index = job
    variables = trees(jax.tree.map(lambda a: a[run, look], trained))
    x = runtime_trees.take(rows, index)
    return jax.nn.log_softmax(network.predict(variables, x)[0])

  out = jax.lax.map(
    predict,
    (
      np.repeat([run for run, _, _ in jobs], sizes),
      np.repeat([look for _, look, _ in jobs], sizes),
      jnp.concatenate([index for _, _, index in jobs]),
    ),
  )
  split = weights * looks * len(blocks)
  shaped = lambda a, *shape: a.reshape(weights, *shape, a.shape[-1])
  final = shaped(out[:split], looks, blocks.size)[:, :, : len(all_rows)]
  held = shaped(out[split:], folds, few.size)[:, :, : len(aux_rows)]
  return final, held


def _held_out_score(scores, labels, held):
  """Accuracy on held-out auxiliary samples; probability breaks ties."""
  if not scores.shape[1]:
    return jnp.zeros(len(scores))
  right = jnp.argmax(scores, -1) == labels
  chosen = jnp.exp(scores[..., jnp.arange(len(labels)), labels])
  return jnp.sum((right + 1e-3 * chosen) * held, (1, 2)) / held.sum()
