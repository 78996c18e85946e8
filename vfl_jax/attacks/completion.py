"""Model completion: a head on the trained bottom, from a few labels.

Source: Fu et al., "Label Inference Attacks Against Vertical Federated
Learning", USENIX Security 2022.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import mapping
from vfl_jax import nets
from vfl_jax import rng
from vfl_jax import types
from vfl_jax.attacks import mixing as mixings
from vfl_jax.attacks import options

PUBLISHED_STEPS = 25600
LEARNING_RATE = 2e-3  # over the published number of iterations
ROWS = 500  # per block when embedding and predicting
LOOKS = 10  # along the training, for an oracle
_TUNED = "finetuned"


class Variant(NamedTuple):
  """One way to complete the model.

  Attributes:
    bottom: "frozen" (its embeddings are the features) or "finetuned".
    depth: of the head; 0 is linear, 1 the published completion layer, -1 as
      many layers as stages are missing: the adversary knows about the cut.
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
  oracle: bool = False,
) -> types.Attack:
  """Complete the bottom with a head, semi-supervised; report the best variant.

  The variant is chosen by cross-validation on the auxiliary labels; the last
  exponential average of the weights is what predicts. Nothing else is chosen.

  Args:
    steps: iterations of each variant (published: 25 x 1024).
    batch: labelled rows per iteration, and as many unlabelled ones.
    learning_rate: of Adam; 0 is the published 2e-3 times the square root of
      25,600 / steps, at most 2e-2, so that a short run arrives too.
    folds: of the cross-validation; with one auxiliary label per class there
      is nothing to hold out and the first variant is taken.
    variants: `Variant`s, or tuples of their fields. Those that fine-tune are
      left out where there is nothing to tune, unless there are no others.
    mixing: "mixmatch", "mixtext" (hidden states are mixed, at a stage drawn
      from the upper half of the bottom), or empty: the one for the data.
    oracle: also offer every variant at ten times of its training, from which
      who sees the labels may choose.

  Raises:
    ValueError: a variant that does not exist, or a value out of its range.
  """
  options.at_least(
    "passive_completion",
    {"steps": 1, "batch": 1, "learning_rate": 0, "folds": 2},
    locals(),
  )
  if not variants:
    raise ValueError("attack 'passive_completion': variants is empty.")
  variants = tuple(Variant(*v) for v in variants)
  if not learning_rate:
    scale = max(1.0, PUBLISHED_STEPS / steps) ** 0.5
    learning_rate = min(LEARNING_RATE * scale, 2e-2)
  for variant in variants:
    if (
      variant.bottom not in ("frozen", "finetuned")
      or variant.depth < -1
      or variant.unlabelled < 0
    ):
      raise ValueError(
        f"variant {tuple(variant)} is not (frozen|finetuned, depth >= -1, "
        "unlabelled weight >= 0)."
      )

  def infer(key: jax.Array, view: types.View) -> types.Inference:
    masks = _folds(view, folds)
    tuned = _tunable(view)
    possible = [
      i for i, v in enumerate(variants) if tuned or v.bottom != _TUNED
    ]
    possible = possible or [*range(len(variants))]
    training = dict(steps=steps, batch=batch, learning_rate=learning_rate)
    training["looks"] = min(LOOKS, steps) if oracle else 1
    runs = [
      _run(key, view, variants[i], masks, mixing, training) for i in possible
    ]
    score = jnp.stack([r.validation for r in runs])
    # what has diverged is not chosen while anything else is there
    best = jnp.argmax(jnp.nan_to_num(score, nan=-1.0))
    choices = None
    if oracle:
      choices = tuple(
        jnp.concatenate([getattr(r, where) for r in runs])
        for where in ("train", "test")
      )
    return types.Inference(
      train=jnp.stack([r.train[-1] for r in runs])[best],
      test=jnp.stack([r.test[-1] for r in runs])[best],
      details={
        "variant": jnp.asarray(possible)[best],
        "validation": score[best],
      },
      choices=choices,
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
  """Held-out accuracy of the last look, scores `[looks, rows, classes]`."""

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


def _run(key, view, variant, masks, method, options) -> _Run:
  """One variant on every fold and on all auxiliary labels, in one program."""
  text = all(np.issubdtype(a.dtype, np.integer) for a in _leaves(view.train))
  rule = mixings.MIXMATCH
  if method == "mixtext" or (not method and text):
    rule = mixings.MIXTEXT
  rule = rule._replace(weight=variant.unlabelled * rule.weight)
  network, train, test = _network(key, view, variant, rule)

  def one(mask, looks):
    return mixings.train(
      rng.stream(key, "mixmatch"),
      network,
      view,
      train,
      mask,
      rule,
      **{**options, "looks": looks},
    )

  def scores(found, x):
    """`[looks, rows, classes]`, look by look."""

    def predict(x, variables):
      return jax.nn.log_softmax(network.predict(variables, x)[0])

    return jax.lax.map(
      lambda variables: mapping.chunked(
        lambda x: predict(x, variables), x, ROWS
      ),
      found,
    )

  known = mapping.take(train, view.aux_rows)
  how = mapping.method(any(np.ndim(a) == 4 for a in _leaves(train)))
  looks = options["looks"]
  if looks == 1:  # all in one loop
    every = mapping.over(lambda mask: one(mask, 1), how)(jnp.asarray(masks))
    held = jax.tree.map(lambda a: a[:-1, -1], every)
    final = jax.tree.map(lambda a: a[-1], every)
  else:
    every = mapping.over(lambda mask: one(mask, 1), how)(
      jnp.asarray(masks[:-1])
    )
    held = jax.tree.map(lambda a: a[:, -1], every)
    final = one(jnp.asarray(masks[-1]), looks)
  return _Run(
    _held_out_score(scores(held, known), view.aux_labels, ~masks[:-1]),
    scores(final, train),
    scores(final, test),
  )


def _tunable(view) -> bool:
  """Whether the bottom holds more than what makes vectors of ids."""
  return view.public.cut > int(nets.has_ids(view.train))


def _leaves(tree):
  return jax.tree.leaves(tree)


def _network(key, view, variant, rule):
  """`(network, train, test)`: what is trained, and on which inputs."""
  public = view.public
  ids = nets.has_ids(view.train)
  finetuned = variant.bottom == _TUNED and _tunable(view)
  if finetuned:
    train, test, bottom = view.train, view.test, view.bottom
    # ids cannot be mixed: mix what their embedding gives, or what lies above
    places = [int(ids)]
    if not rule.squared:
      places = [*range(max(1, public.cut // 2), public.cut)] or places

    def embed(bottom, x, is_training, stop):
      if not stop:
        return x
      return public.bottom(bottom, x, train=is_training, stop=stop)[0]

    def encode(bottom, x, is_training, stop):
      h, stats = public.bottom(bottom, x, train=is_training, start=stop)
      return nets.vectors(h), stats

  else:
    # at cut 0 there is no bottom: the raw slice itself, ids counted
    height = public.vocabulary if not public.cut and ids else 0
    train, test = (
      mapping.chunked(
        lambda x: nets.vectors(public.bottom(view.bottom, x)[0], height),
        x,
        ROWS,
      )
      for x in (view.train, view.test)
    )
    bottom = {"params": {}, "stats": {}}
    places = [0]
    embed = lambda bottom, x, is_training, stop: x
    encode = lambda bottom, x, is_training, stop: (x, {})

  depth = variant.depth
  if depth == -1:
    depth = len(public.stages) - public.cut
  init, apply = nets.head(public.num_classes, depth)
  width = jax.eval_shape(
    lambda x: encode(
      bottom, embed(bottom, x, False, places[0]), False, places[0]
    )[0],
    mapping.take(train, np.arange(2)),
  ).shape[1]
  head = init(rng.stream(key, "head"), jnp.zeros((2, width)))

  def of(part, parameters, stats):
    return {"params": parameters[part], "stats": stats[part]}

  def lower(stop):
    def run(parameters, stats, x, is_training):
      return embed(of("bottom", parameters, stats), x, is_training, stop)

    return run

  def upper(stop):
    def run(parameters, stats, mixed, is_training):
      values = of("bottom", parameters, stats)
      h, bottom_stats = encode(values, mixed, is_training, stop)
      logits, head_stats = apply(of("head", parameters, stats), h, is_training)
      return logits, {"bottom": bottom_stats, "head": head_stats}

    return run

  network = mixings.Network(
    {"bottom": bottom["params"], "head": head["params"]},
    {"bottom": bottom["stats"], "head": head["stats"]},
    [lower(stop) for stop in places],
    [upper(stop) for stop in places],
  )
  return network, train, test


def _held_out_score(scores, labels, held):
  """Accuracy on held-out auxiliary samples; ties go by their probability."""
  if not len(scores):
    return jnp.zeros(())
  right = jnp.argmax(scores, -1) == labels
  chosen = jnp.exp(scores[:, jnp.arange(len(labels)), labels])
  return jnp.sum((right + 1e-3 * chosen) * held) / held.sum()
