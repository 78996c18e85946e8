"""Model completion: a head on the trained bottom, from a few labels.

Source: Fu et al., "Label Inference Attacks Against Vertical Federated
Learning", USENIX Security 2022; MixMatch: Berthelot et al. 2019.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax import mapping
from vfl_jax import nets
from vfl_jax import rng
from vfl_jax import types

SHARPEN = 0.8
MIXUP = 0.75
UNLABELLED_WEIGHT = 50.0
PUBLISHED_STEPS = 25600
LEARNING_RATE = 2e-3  # over the published number of iterations
EMA_SHARE = 25.6  # published: decay .999 over as many
ROWS = 500  # per block when embedding and predicting


class Variant(NamedTuple):
  """One way to complete the model.

  Attributes:
    bottom: "frozen" (its embeddings are the features) or "finetuned".
    depth: of the head; 0 is linear, 1 the published completion layer.
    unlabelled: weight of the unlabelled loss relative to the published 50.
  """

  bottom: str
  depth: int
  unlabelled: float

  @property
  def name(self) -> str:
    head = "linear" if not self.depth else f"depth {self.depth}"
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
) -> types.Attack:
  """Complete the bottom with a head by MixMatch; report the best variant.

  The variant is chosen by cross-validation on the auxiliary labels; the last
  exponential average of the weights is what predicts. Nothing else is chosen.

  Args:
    steps: iterations of each variant (published: 25 x 1024).
    batch: labelled rows per iteration, and as many unlabelled ones.
    learning_rate: of Adam; 0 is the published 2e-3 times the square root of
      25,600 / steps, at most 2e-2, so that a short run arrives too.
    folds: of the cross-validation; with one auxiliary label per class there
      is nothing to hold out and the first variant is taken.
    variants: `Variant`s, or tuples of their fields.

  Raises:
    ValueError: a variant that does not exist, or fewer than two folds.
  """
  variants = tuple(Variant(*v) for v in variants)
  if not learning_rate:
    scale = max(1.0, PUBLISHED_STEPS / steps) ** 0.5
    learning_rate = min(LEARNING_RATE * scale, 2e-2)
  for variant in variants:
    if variant.bottom not in ("frozen", "finetuned") or variant.depth < 0:
      raise ValueError(
        f"variant {tuple(variant)} is not (frozen|finetuned, depth >= 0, "
        "unlabelled weight)."
      )
  if folds < 2:
    raise ValueError(f"folds is {folds}; cross-validation needs at least 2.")

  def infer(key: jax.Array, view: types.View) -> types.Inference:
    masks = _folds(view, folds)
    runs = [
      _run(key, view, variant, masks, steps, batch, learning_rate)
      for variant in variants
    ]
    score = jnp.stack([r.validation for r in runs])
    best = jnp.argmax(score)
    return types.Inference(
      train=jnp.stack([r.train for r in runs])[best],
      test=jnp.stack([r.test for r in runs])[best],
      details={"variant": best, "validation": score[best]},
    )

  return types.Attack(
    frozenset({"auxiliary"}),
    infer,
    budget=(
      f"{steps} iterations of batch {batch} for each of {len(variants)} "
      f"variants, one chosen by {folds}-fold cross-validation on the "
      "auxiliary labels"
    ),
    names={"variant": [v.name for v in variants]},
  )


class _Run(NamedTuple):
  validation: jax.Array
  train: jax.Array
  test: jax.Array


def _folds(view: types.View, folds: int) -> np.ndarray:
  """Which auxiliary samples each run may use, `[folds + 1, m]`; all last.

  The samples are grouped by class, so that taking every n-th is stratified.
  """
  count = len(view.aux_labels)
  per_class = count // view.public.num_classes
  if per_class < 2:
    return np.ones((1, count), bool)
  fold = np.arange(count) % per_class % min(folds, per_class)
  held = np.arange(min(folds, per_class))[:, None]
  return np.concatenate([fold != held, np.ones((1, count), bool)])


def _run(key, view, variant, masks, steps, batch, learning_rate) -> _Run:
  """One variant on every fold and on all auxiliary labels, in one program."""
  public = view.public
  encode = lambda x: nets.vectors(public.bottom(view.bottom, x)[0])
  ids = nets.has_ids(view.train)
  finetuned = variant.bottom == "finetuned" and public.cut > int(ids)
  if finetuned:
    train, test = view.train, view.test
    stop = int(ids)  # ids cannot be mixed: mix what their embedding gives

    def embed(bottom, x, is_training):
      if not stop:
        return x
      return public.bottom(bottom, x, train=is_training, stop=stop)[0]

    def encode_from(bottom, x, is_training):
      h, stats = public.bottom(bottom, x, train=is_training, start=stop)
      return nets.vectors(h), stats

    bottom = view.bottom
  else:
    # at cut 0 there is no bottom: the raw slice itself, ids counted
    if not public.cut and ids:
      encode = lambda x: nets.vectors(x, public.vocabulary)
    train = mapping.chunked(encode, view.train, ROWS)
    test = mapping.chunked(encode, view.test, ROWS)
    embed = lambda bottom, x, is_training: x
    encode_from = lambda bottom, x, is_training: (x, {})
    bottom = {"params": {}, "stats": {}}

  init, apply = nets.head(public.num_classes, variant.depth)
  width = jax.eval_shape(
    lambda x: encode_from(bottom, embed(bottom, x, False), False)[0],
    mapping.take(train, np.arange(2)),
  ).shape[1]
  head = init(rng.stream(key, "head"), jnp.zeros((2, width)))
  parameters = {"bottom": bottom["params"], "head": head["params"]}
  stats = {"bottom": bottom["stats"], "head": head["stats"]}

  def forward(parameters, stats, mixed, is_training):
    values = {"params": parameters["bottom"], "stats": stats["bottom"]}
    h, bottom_stats = encode_from(values, mixed, is_training)
    values = {"params": parameters["head"], "stats": stats["head"]}
    logits, head_stats = apply(values, h, is_training)
    return logits, {"bottom": bottom_stats, "head": head_stats}

  def first(parameters, stats, x, is_training):
    values = {"params": parameters["bottom"], "stats": stats["bottom"]}
    return embed(values, x, is_training)

  def one(mask):
    final = _mixmatch(
      rng.stream(key, "mixmatch"),
      view,
      train,
      first,
      forward,
      parameters,
      stats,
      mask,
      variant,
      steps,
      batch,
      learning_rate,
    )

    def predict(x):
      logits, _ = forward(*final, first(*final, x, False), False)
      return jax.nn.log_softmax(logits)

    return final, predict(mapping.take(train, view.aux_rows))

  how = mapping.method(any(np.ndim(a) == 4 for a in jax.tree.leaves(train)))
  finals, auxiliary = mapping.over(one, how)(jnp.asarray(masks))
  final = jax.tree.map(lambda a: a[-1], finals)

  def predict(x):
    logits, _ = forward(*final, first(*final, x, False), False)
    return jax.nn.log_softmax(logits)

  return _Run(
    _held_out_score(auxiliary[:-1], view.aux_labels, ~masks[:-1]),
    mapping.chunked(predict, train, ROWS),
    mapping.chunked(predict, test, ROWS),
  )


def _held_out_score(scores, labels, held):
  """Accuracy on held-out auxiliary samples; ties go by their probability."""
  if not len(scores):
    return jnp.zeros(())
  right = jnp.argmax(scores, -1) == labels
  chosen = jnp.exp(scores[:, jnp.arange(len(labels)), labels])
  return jnp.sum((right + 1e-3 * chosen) * held) / held.sum()


def _mixmatch(
  key,
  view,
  rows,
  first,
  forward,
  parameters,
  stats,
  mask,
  variant,
  steps,
  batch,
  learning_rate,
):
  """Averaged weights and statistics after MixMatch on the masked labels."""
  classes = view.public.num_classes
  optimizer = optax.adam(learning_rate)
  keep = max(0.0, 1.0 - EMA_SHARE / steps)
  known = jnp.asarray(view.aux_rows)
  total = mapping.rows(rows)
  unlabelled = jnp.setdiff1d(
    jnp.arange(total), known, size=total - len(known), fill_value=0
  )
  targets = jax.nn.one_hot(view.aux_labels, classes)
  choice = jnp.log(mask.astype(jnp.float32))

  def step(carry, inputs):
    (parameters, stats), optimizer_state, average = carry
    i, key, share = inputs
    keys = jax.random.split(key, 3)
    pick = jax.random.categorical(keys[0], choice, shape=(batch,))
    other = unlabelled[
      jax.random.randint(keys[1], (batch,), 0, len(unlabelled))
    ]
    x_known = mapping.take(rows, known[pick])
    x_other = mapping.take(rows, other)
    ramp = variant.unlabelled * UNLABELLED_WEIGHT * i / steps
    order = jax.random.permutation(keys[2], 2 * batch)

    guess, _ = forward(
      parameters, stats, first(parameters, stats, x_other, True), True
    )
    guess = jax.lax.stop_gradient(jax.nn.softmax(guess / SHARPEN))
    wanted = jnp.concatenate([targets[pick], guess])
    wanted = share * wanted + (1 - share) * wanted[order]

    def loss(parameters):
      x = jax.tree.map(lambda *a: jnp.concatenate(a), x_known, x_other)
      x = first(parameters, stats, x, True)
      mixed = jax.tree.map(lambda a: share * a + (1 - share) * a[order], x)
      logits, new_stats = forward(parameters, stats, mixed, True)
      log_q = jax.nn.log_softmax(logits)
      supervised = -jnp.mean(jnp.sum(wanted[:batch] * log_q[:batch], -1))
      gap = jnp.exp(log_q[batch:]) - wanted[batch:]
      return supervised + ramp * jnp.mean(gap**2), new_stats

    gradient, stats = jax.grad(loss, has_aux=True)(parameters)
    change, optimizer_state = optimizer.update(gradient, optimizer_state)
    parameters = optax.apply_updates(parameters, change)
    # corrected, so that a short run does not average over its start
    rate = (1 - keep) / (1 - keep ** (i + 1.0))
    average = jax.tree.map(
      lambda a, b: a + rate * (b - a), average, (parameters, stats)
    )
    return ((parameters, stats), optimizer_state, average), None

  start = (parameters, stats)
  carry = (start, optimizer.init(parameters), start)
  keys = jax.random.split(rng.stream(key, "steps"), steps)
  # drawn at once: a beta draw is a rejection loop of its own
  shares = jax.random.beta(rng.stream(key, "mixup"), MIXUP, MIXUP, (steps,))
  shares = jnp.maximum(shares, 1.0 - shares)
  carry, _ = jax.lax.scan(step, carry, (jnp.arange(steps), keys, shares))
  return carry[2]
