"""Semi-supervised training by mixing samples: MixMatch, and MixText on text.

Both guess the labels of unlabelled samples, sharpen the guesses and train on
mixtures of any two samples. MixText mixes hidden states where inputs are ids.

Source: Berthelot et al. 2019; Chen, Yang and Yang 2020.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax import flatten_util
import jax.numpy as jnp
import optax

from vfl_jax.attacks import base
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees as runtime_trees

EMA_SHARE = 25.6  # published: decay .999 over 25,600 iterations


class Rule(NamedTuple):
  """What the two methods differ in.

  Attributes:
    sharpen: temperature of the guesses.
    alpha: of the beta distribution of the shares.
    weight: of the unlabelled loss.
    ramp: whether that weight rises from zero over the training.
    squared: distance of probabilities, or cross entropy.
  """

  sharpen: float
  alpha: float
  weight: float
  ramp: bool
  squared: bool


MIXMATCH = Rule(0.8, 0.75, 50.0, True, True)
MIXTEXT = Rule(0.5, 16.0, 1.0, False, False)


class Network(NamedTuple):
  """What is trained, in two parts with the mixing between them.

  Attributes:
    parameters: before training.
    stats: of its normalisations, before training.
    lower: for each place of mixing, `lower(parameters, stats, x, train) ->
      hidden`.
    upper: for each of them, `upper(parameters, stats, hidden, train) ->
      (logits, stats)`.
  """

  parameters: Any
  stats: Any
  lower: Sequence[Callable[..., Any]]
  upper: Sequence[Callable[..., tuple[jax.Array, Any]]]

  def predict(self, variables, x, train=False):
    """`(logits, stats)` of what is not mixed."""
    parameters, stats = variables
    hidden = self.lower[0](parameters, stats, x, train)
    return self.upper[0](parameters, stats, hidden, train)


class Draws(NamedTuple):
  """All that is random in a training, a step first.

  Attributes:
    known: `[steps, batch]` bits that say which of the allowed ones are taken.
    other: `[steps, batch]`, which of the unlabelled rows.
    order: `[steps, 2 * batch]`, a permutation: with whom a sample is mixed.
    share: `[steps]`, of the sample itself.
    place: `[steps]` bits that say where it is mixed.
    offset: `[steps, 2 * batch, 2]` in [0, 1): how far images are shifted.
  """

  known: jax.Array
  other: jax.Array
  order: jax.Array
  share: jax.Array
  place: jax.Array
  offset: jax.Array


def draw(
  key: jax.Array, rule: Rule, *, steps: int, batch: int, unlabelled: int
) -> Draws:
  """What trainings of one key share, whatever it is that they train.

  Drawn at once: a draw inside the loop is a loop of its own.

  Args:
    key: random key.
    rule: gives the law of the shares.
    steps: of the training.
    batch: labelled rows per step.
    unlabelled: how many unlabelled rows there are.
  """
  bits_key, order, share = rng.split(key, 3)
  offset = rng.stream(key, "offset")
  labelled, other, place = jnp.split(
    rng.bits(bits_key, (steps, 2 * batch + 1)), (batch, 2 * batch), axis=1
  )
  share = rng.beta(share, rule.alpha, (steps,))
  return Draws(
    labelled,
    (other % jnp.uint32(unlabelled)).astype(jnp.int32),
    rng.orders(order, (steps, 2 * batch)),
    jnp.maximum(share, 1.0 - share),
    place[:, 0],
    rng.uniform(offset, (steps, 2 * batch, 2)),
  )


def train(
  network: Network,
  view: base.View,
  rows: Any,
  mask: jax.Array,
  rule: Rule,
  draws: Draws,
  *,
  learning_rate: float,
  shift: float = 0.0,
  looks: int = 1,
) -> Any:
  """Averaged parameters and statistics, at looks of equal distance, as vectors.

  Args:
    network: what is trained.
    view: for its auxiliary samples.
    rows: inputs of all training rows, first; others may follow.
    mask: which auxiliary samples may be used.
    rule: `MIXMATCH`, say; its weight may be another.
    draws: of `draw`.
    learning_rate: of Adam.
    shift: largest shift of images, as a share of height and width.
    looks: how many to return; the last is after the last step.

  Returns:
    `(parameters, stats)` with the looks first, see `vectors`.
  """
  steps, batch = draws.other.shape
  classes = view.public.num_classes
  optimizer = optax.adam(learning_rate)
  start, trees = vectors(network)
  keep = max(0.0, 1.0 - EMA_SHARE / steps)
  unlabelled = unknown(view)
  aux_rows = jnp.asarray(view.trial.aux_rows)
  targets = jax.nn.one_hot(view.trial.aux_labels, classes)
  picks = picked(draws, mask)
  places = len(network.lower)

  def step(carry, inputs):
    variables, optimizer_state, average = carry
    parameters, stats = trees(variables)
    i, pick, other, order, share, place, offset = inputs
    x = jax.tree.map(
      lambda a: a[jnp.concatenate([aux_rows[pick], unlabelled[other]])], rows
    )
    x = shifted(x, offset, shift)
    weight = rule.weight * (i / steps if rule.ramp else 1.0)

    guess, _ = network.predict(
      (parameters, stats), runtime_trees.take(x, slice(batch, None)), True
    )
    guess = sharpened(guess, rule.sharpen)  # no part of what is differentiated
    wanted = jnp.concatenate([targets[pick], guess])
    wanted = share * wanted + (1 - share) * wanted[order]

    def mixed_at(lower, upper):
      def run(parameters):
        hidden = lower(parameters, stats, x, True)
        mixed = jax.tree.map(
          lambda a: share * a + (1 - share) * a[order], hidden
        )
        return upper(parameters, stats, mixed, True)

      return run

    runs = [
      mixed_at(*halves)
      for halves in zip(network.lower, network.upper, strict=True)
    ]

    def loss(parameters):
      if places == 1:
        logits, new_stats = runs[0](parameters)
      else:
        chosen = place % jnp.uint32(places)
        logits, new_stats = jax.lax.switch(
          chosen.astype(jnp.int32), runs, parameters
        )
      log_q = jax.nn.log_softmax(logits)
      crossed = -jnp.sum(wanted * log_q, -1)
      apart = crossed[batch:]
      if rule.squared:
        apart = (jnp.exp(log_q[batch:]) - wanted[batch:]) ** 2
      return jnp.mean(crossed[:batch]) + weight * jnp.mean(apart), new_stats

    gradient, stats = jax.grad(loss, has_aux=True)(parameters)
    gradient = _vector(gradient, parameters)
    change, optimizer_state = optimizer.update(gradient, optimizer_state)
    variables = variables[0] + change, _vector(stats, network.stats)
    # corrected, so that a short run does not average over its start
    rate = (1 - keep) / (1 - keep ** (i + 1.0))
    average = jax.tree.map(lambda a, b: a + rate * (b - a), average, variables)
    return (variables, optimizer_state, average), None

  def look(carry, inputs):
    carry, _ = jax.lax.scan(step, carry, inputs)
    return carry, carry[2]

  carry: Any = (start, optimizer.init(start[0]), start)
  inputs = (
    jnp.arange(steps),
    picks,
    draws.other,
    draws.order,
    draws.share,
    draws.place,
    draws.offset,
  )
  per_look = max(1, steps // looks)
  rest = max(0, steps - looks * per_look)
  if rest:
    carry, _ = jax.lax.scan(
      step, carry, runtime_trees.take(inputs, slice(0, rest))
    )
  inputs = jax.tree.map(
    lambda a: a[rest:].reshape(-1, per_look, *a.shape[1:]), inputs
  )
  return jax.lax.scan(look, carry, inputs)[1]


def shifted(x: Any, offset: jax.Array, share: float) -> Any:
  """Images `[n, height, width, channels]` moved, with zeros from the edge.

  Args:
    x: tree; leaves that are no images stay as they are.
    offset: `[n, 2]` in [0, 1): of each image, down and right; .5 leaves it.
    share: largest shift, of height and width; rounded down to whole pixels.

  >>> image = jnp.arange(4.0).reshape(1, 2, 2, 1)
  >>> shifted(image, jnp.array([[0.9, 0.5]]), 0.5)[0, :, :, 0].tolist()
  [[2.0, 3.0], [0.0, 0.0]]
  """

  def move(a):
    if a.ndim != 4:
      return a
    most = [int(share * size) for size in a.shape[1:3]]
    if not any(most):
      return a
    pad = [(0, 0), *((m, m) for m in most), (0, 0)]
    wide = 2 * jnp.array(most) + 1
    start = jnp.floor(offset * wide).astype(jnp.int32)

    def one(image, start):
      return jax.lax.dynamic_slice(image, (*start, 0), a.shape[1:])

    return jax.vmap(one)(jnp.pad(a, pad), start)

  return jax.tree.map(move, x)


def sharpened(logits: jax.Array, temperature: float) -> jax.Array:
  """Probabilities `[n, classes]`: p ** (1 / temperature), summing to one.

  >>> logits = jnp.log(jnp.array([0.75, 0.25]))
  >>> bool(abs(sharpened(logits, 0.5)[0] - 0.9) < 1e-6)  # 9 to 1
  True
  """
  return jax.nn.softmax(logits / temperature)


def vectors(network: Network) -> tuple[Any, Callable[[Any], Any]]:
  """`(parameters, stats)` before training as vectors, and what undoes that.

  A loop has a few operations on vectors, where each tensor would get kernels of
  its own that take longer to compile than to run.
  """
  parameters, parameters_of = flatten_util.ravel_pytree(network.parameters)
  stats, stats_of = flatten_util.ravel_pytree(network.stats)

  def trees(variables):
    return parameters_of(variables[0]), stats_of(variables[1])

  return (parameters, stats), trees


def _vector(tree, like):
  if jax.tree.structure(tree) != jax.tree.structure(like):
    raise ValueError(
      f"a network's statistics are {jax.tree.structure(like)} before a step "
      f"and {jax.tree.structure(tree)} after it; `upper` must keep their names."
    )
  return flatten_util.ravel_pytree(tree)[0]


def picked(draws: Draws, mask: jax.Array) -> jax.Array:
  """Labelled samples of each step, `[steps, batch]`, of those of the mask."""
  allowed = jnp.argsort(~mask)  # stable: those that are, in their order
  return allowed[draws.known % mask.sum().astype(jnp.uint32)]


def unknown(view: base.View) -> jax.Array:
  """Training rows without a label, `[rows - m]`."""
  labelled = jnp.zeros(runtime_trees.rows(view.shared.train), bool)
  labelled = labelled.at[jnp.asarray(view.trial.aux_rows)].set(True)
  return jnp.argsort(labelled)[: len(labelled) - len(view.trial.aux_rows)]
