"""Model completion: train a head on the trained bottom from a few labels.

Source: Fu et al., "Label Inference Attacks Against Vertical Federated
Learning", USENIX Security 2022.
"""

from collections.abc import Sequence
import itertools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import completion_network
from vfl_jax.attacks import semi_supervised
from vfl_jax.config import bounds
from vfl_jax.runtime import axes as runtime_axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees as runtime_trees

PUBLISHED_STEPS = 25600
LEARNING_RATE = 2e-3  # for the published number of iterations
SHIFT = 0.125  # share of height and width; no label depends on such a shift
LOOKS = 10  # looks during the training, for an oracle
_TUNED = "finetuned"


class Variant(NamedTuple):
  """One way to complete the model.

  Attributes:
    bottom: "frozen" (its embeddings are the features) or "finetuned".
    depth: depth of the head; 0 is linear, 1 the published completion layer,
      -1 as many layers as there are stages above the cut, whose number the
      adversary knows.
    unlabelled: weight of the unlabelled loss relative to the published one.
  """

  bottom: str
  depth: int
  unlabelled: float

  @property
  def name(self) -> str:
    head = "linear" if not self.depth else f"depth {self.depth}"
    if self.depth == -1:
      head = "as deep as what is missing"
    weight = (
      "" if self.unlabelled == 1 else f", unlabelled x{self.unlabelled:g}"
    )
    return f"{self.bottom}, {head}{weight}"


VARIANTS = (
  Variant("frozen", 0, 1.0),
  Variant("frozen", 0, 0.1),
  Variant("frozen", 1, 1.0),
  Variant("finetuned", 1, 1.0),
)


def passive_completion(
  *,
  steps: int = PUBLISHED_STEPS,
  batch: int = 16,
  learning_rate: float = 0.0,
  folds: int = 2,
  variants: Sequence[tuple[str, int, float]] = VARIANTS,
  mixing: Literal["", "mixmatch", "mixtext"] = "",
  shift: float = 0.0,
  oracle: bool = False,
) -> base.Attack:
  """Completes the bottom with a semi-supervised head; keeps the best variant.

  The variant is chosen by cross-validation on the auxiliary labels. The last
  exponential average of the weights predicts. Nothing else is chosen.

  Args:
    steps: iterations of each variant (published: 25 x 1024).
    batch: labelled rows per iteration, and as many unlabelled ones.
    learning_rate: learning rate of Adam; 0 is the published 2e-3 times the
      square root of 25,600 / steps, at most 2e-2, so that a short run
      converges too.
    folds: number of cross-validation folds; with one auxiliary label per class
      there is nothing to hold out, and the first variant is taken.
    variants: `Variant`s, or tuples of their fields. Variants that fine-tune
      are left out where there is nothing to tune, unless there are no others.
    mixing: "mixmatch", "mixtext" (hidden states are mixed, at a stage drawn
      from the upper half of the bottom), or empty: the method that fits the
      data.
    shift: images that fine-tuning trains on are shifted at random, by at most
      this share of their height and width; 0 leaves them as they are.
    oracle: whether to offer every variant at ten points of its training, so
      that an oracle that sees the labels may choose among them.

  Raises:
    ValueError: there is no variant, a variant does not exist, or a value is
      out of its range.
  """
  bounds.at_least(
    "passive_completion",
    {"steps": 1, "batch": 1, "learning_rate": 0, "folds": 2, "shift": 0},
    locals(),
  )
  variants = _checked(variants)
  if not learning_rate:
    scale = max(1.0, PUBLISHED_STEPS / steps) ** 0.5
    learning_rate = min(LEARNING_RATE * scale, 2e-2)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    possible = _possible(variants, view)
    rule = _rule(mixing, view)
    draws = semi_supervised.draw(
      rng.stream(key, "mixing"),
      rule,
      steps=steps,
      batch=batch,
      unlabelled=runtime_trees.rows(view.shared.train)
      - len(view.trial.aux_rows),
    )
    training = {
      "rule": rule,
      "draws": draws,
      "learning_rate": learning_rate,
      "shift": shift,
      "looks": min(LOOKS, steps) if oracle else 1,
    }
    groups: dict[tuple[str, int], list[int]] = {}
    for i in possible:
      groups.setdefault(variants[i][:2], []).append(i)
    runs: dict[int, _Run] = {}
    for (bottom, depth), members in groups.items():
      weights = [variants[i].unlabelled for i in members]
      group = _run(key, view, bottom, depth, weights, folds, training)
      runs |= {i: runtime_trees.take(group, j) for j, i in enumerate(members)}
    trained = [runs[i] for i in possible]
    score = jnp.stack([r.validation for r in trained])
    # a variant that diverged is chosen only if all of them did
    best = jnp.argmax(jnp.nan_to_num(score, nan=-1.0))
    choices = None
    if oracle:
      choices = tuple(
        jnp.concatenate([getattr(r, where) for r in trained])
        for where in ("train", "test")
      )
    return base.Inference(
      train=jnp.stack([r.train[-1] for r in trained])[best],
      test=jnp.stack([r.test[-1] for r in trained])[best],
      details={
        "variant": jnp.asarray(possible)[best],
        "validation": score[best],
      },
      choices=choices,
    )

  return base.Attack(
    frozenset({"auxiliary"}),
    infer,
    budget=(
      f"{steps} iterations of batch {batch} for each of {len(variants)} "
      f"variants, one chosen by {folds}-fold cross-validation on the "
      "auxiliary labels"
    ),
    names={"variant": [v.name for v in variants]},
  )


def _checked(variants) -> tuple[Variant, ...]:
  """The variants, or a ValueError if there is none or one does not exist."""
  if not variants:
    raise ValueError(
      "attack 'passive_completion': variants is empty; give at least one."
    )
  variants = tuple(Variant(*v) for v in variants)
  for variant in variants:
    if (
      variant.bottom not in ("frozen", _TUNED)
      or variant.depth < -1
      or variant.unlabelled < 0
    ):
      raise ValueError(
        f"variant {tuple(variant)} is not (frozen|finetuned, depth >= -1, "
        "unlabelled weight >= 0)."
      )
  return variants


def _possible(variants, view) -> list[int]:
  """Numbers of the variants that the bottom allows; all if there are none."""
  tuned = completion_network.tunable(view)
  possible = [i for i, v in enumerate(variants) if tuned or v.bottom != _TUNED]
  return possible or [*range(len(variants))]


def _rule(mixing, view) -> semi_supervised.Rule:
  """The rule that is asked for, or the one that fits the data."""
  text = all(
    np.issubdtype(a.dtype, np.integer) for a in _leaves(view.shared.train)
  )
  if mixing == "mixtext" or (not mixing and text):
    return semi_supervised.MIXTEXT
  return semi_supervised.MIXMATCH


class _Run(NamedTuple):
  """Held-out accuracy at the last look; scores `[looks, rows, classes]`."""

  validation: jax.Array
  train: jax.Array
  test: jax.Array


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


def _run(key, view, bottom, depth, weights, folds, training) -> _Run:
  """Trains variants that differ in their weight, on all folds and all labels.

  One loop trains all of them and one loop predicts. The first axis of the
  results is the weight.
  """
  network, rows = completion_network.on(
    rng.stream(key, "head"), view, bottom == _TUNED, depth, training["rule"]
  )
  masks = _folds(view, folds)

  def one(weight, mask):
    rule = training["rule"]
    rule = rule._replace(weight=weight * rule.weight)
    return semi_supervised.train(
      network, view, rows, mask, **{**training, "rule": rule}
    )

  how = runtime_axes.method(any(np.ndim(a) == 4 for a in _leaves(rows)))
  trained = runtime_axes.over(one, how)(
    jnp.repeat(jnp.float32(weights), len(masks)),
    jnp.tile(jnp.asarray(masks), (len(weights), 1)),
  )
  final, held = _scores(
    network, trained, rows, view.trial.aux_rows, len(weights), len(masks) - 1
  )
  count = runtime_trees.rows(view.shared.train)
  return _Run(
    _held_out_score(held, view.trial.aux_labels, ~masks[:-1]),
    final[:, :, :count],
    final[:, :, count:],
  )


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
  size = runtime_axes.even(len(all_rows), completion_network.ROWS)
  blocks = runtime_axes.blocks(all_rows, size)
  jobs = [
    (r, look, blocks) for r, look in itertools.product(run[:, -1], range(looks))
  ]
  few = runtime_axes.blocks(jnp.asarray(aux_rows), size)
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
  shaped = lambda a, *axes: a.reshape(weights, *axes, a.shape[-1])
  final = shaped(out[:split], looks, blocks.size)[:, :, : len(all_rows)]
  held = shaped(out[split:], folds, few.size)[:, :, : len(aux_rows)]
  return final, held


def _leaves(tree):
  return jax.tree.leaves(tree)


def _held_out_score(scores, labels, held):
  """Accuracy on held-out auxiliary samples; probability breaks ties."""
  if not scores.shape[1]:
    return jnp.zeros(len(scores))
  right = jnp.argmax(scores, -1) == labels
  chosen = jnp.exp(scores[..., jnp.arange(len(labels)), labels])
  return jnp.sum((right + 1e-3 * chosen) * held, (1, 2)) / held.sum()
