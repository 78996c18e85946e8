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
from jaxtyping import Bool
from jaxtyping import Float
from jaxtyping import Integer
import optax

from vfl_jax.attacks import base
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees as runtime_trees

EMA_SHARE = 25.6  # published: decay .999 over 25,600 iterations


class Rule(NamedTuple):
  """The settings in which the two methods differ.

  Attributes:
    sharpen: temperature of the guesses.
    alpha: parameter of the beta distribution of the shares.
    weight: weight of the unlabelled loss.
    ramp: whether that weight rises from zero over the training.
    squared: whether the unlabelled loss is the squared distance of
      probabilities; otherwise it is the cross entropy.
  """

  sharpen: float
  alpha: float
  weight: float
  ramp: bool
  squared: bool


MIXMATCH = Rule(0.8, 0.75, 50.0, True, True)
MIXTEXT = Rule(0.5, 16.0, 1.0, False, False)


class Network(NamedTuple):
  """The network to train, in two halves with the mixing between them.

  Attributes:
    parameters: parameters before training.
    stats: statistics of its normalisations before training.
    lower: for each place of mixing, `lower(parameters, stats, x, train) ->
      hidden`.
    upper: for each place of mixing, `upper(parameters, stats, hidden, train)
      -> (logits, stats)`.
  """

  parameters: Any
  stats: Any
  lower: Sequence[Callable[..., Any]]
  upper: Sequence[Callable[..., tuple[jax.Array, Any]]]

  def predict(self, variables, x, train=False):
    """`(logits, stats)` of samples that are not mixed."""
    parameters, stats = variables
    hidden = self.lower[0](parameters, stats, x, train)
    return self.upper[0](parameters, stats, hidden, train)


class Draws(NamedTuple):
  """All random draws of a training; steps are the first axis.

  Attributes:
    known: `[steps, batch]`, random bits that choose among the labelled samples
      of the mask.
    other: `[steps, batch]`, indices of unlabelled rows.
    order: `[steps, 2 * batch]`, a permutation: the partner of each sample.
    share: `[steps]`, weight of the sample itself; its partner has the rest.
    place: `[steps]`, random bits that choose the place of mixing.
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
  """Draws everything random in a training, shared by all trainings of a key.

  All steps are drawn at once, because a draw inside the training loop compiles
  to a loop of its own.

  Args:
    key: random key.
    rule: rule that gives the distribution of the shares.
    steps: number of training steps.
    batch: labelled rows per step, and as many unlabelled ones.
    unlabelled: number of unlabelled rows.
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
  mask: Bool[jax.Array, " aux"],
  rule: Rule,
  draws: Draws,
  *,
  learning_rate: float,
  shift: float = 0.0,
  looks: int = 1,
) -> Any:
  """Trains a network; returns averaged variables at equally spaced looks.

  Args:
    network: network to train.
    view: view that holds the auxiliary samples.
    rows: inputs of all training rows; other rows may follow them.
    mask: which auxiliary samples may be used.
    rule: rule such as `MIXMATCH`, possibly with another weight.
    draws: result of `draw`.
    learning_rate: learning rate of Adam.
    shift: largest shift of images, as a share of height and width.
    looks: number of looks to return; the last is after the last step.

  Returns:
    `(parameters, stats)`, each `[looks, size]`, see `vectors`.
  """
  steps, batch = draws.other.shape
  optimizer = optax.adam(learning_rate)
  start, trees = vectors(network)
  keep = max(0.0, 1.0 - EMA_SHARE / steps)
  unlabelled = unknown(view)
  aux_rows = jnp.asarray(view.trial.aux_rows)
  targets = jax.nn.one_hot(view.trial.aux_labels, view.public.num_classes)

  def step(carry, inputs):
    variables, optimizer_state, average = carry
    parameters, stats = trees(variables)
    i, pick, drawn = inputs
    x = jax.tree.map(
      lambda a: a[jnp.concatenate([aux_rows[pick], unlabelled[drawn.other]])],
      rows,
    )
    x = shifted(x, drawn.offset, shift)
    guess, _ = network.predict(
      (parameters, stats), runtime_trees.take(x, slice(batch, None)), True
    )
    guess = sharpened(guess, rule.sharpen)  # not differentiated
    wanted = jnp.concatenate([targets[pick], guess])
    wanted = drawn.share * wanted + (1 - drawn.share) * wanted[drawn.order]
    weight = rule.weight * (i / steps if rule.ramp else 1.0)

    def loss(parameters):
      logits, new_stats = _mixed(network, parameters, stats, x, drawn)
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

  carry: Any = (start, optimizer.init(start[0]), start)
  inputs = (jnp.arange(steps), picked(draws, mask), draws)
  return _looked(step, carry, inputs, looks)


def _mixed(network, parameters, stats, x, drawn):
  """`(logits, stats)` of samples that are mixed at the place that was drawn."""

  def at(lower, upper):
    def run(parameters):
      mixed = jax.tree.map(
        lambda a: drawn.share * a + (1 - drawn.share) * a[drawn.order],
        lower(parameters, stats, x, True),
      )
      return upper(parameters, stats, mixed, True)

    return run

  runs = [
    at(*halves) for halves in zip(network.lower, network.upper, strict=True)
  ]
  if len(runs) == 1:
    return runs[0](parameters)
  place = drawn.place % jnp.uint32(len(runs))
  return jax.lax.switch(place.astype(jnp.int32), runs, parameters)


def _looked(step, carry, inputs, looks):
  """Runs all steps; the averages at `looks` equally spaced steps."""

  def look(carry, inputs):
    carry, _ = jax.lax.scan(step, carry, inputs)
    return carry, carry[2]

  steps = len(inputs[0])
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


def shifted(x: Any, offset: Float[jax.Array, "rows 2"], share: float) -> Any:
  """Images `[n, height, width, channels]` shifted, with zeros from the edge.

  Args:
    x: tree of arrays; leaves that are not images stay as they are.
    offset: numbers in [0, 1), the vertical and horizontal shift of each
      image; 0.5 is no shift.
    share: largest shift as a share of height and width, rounded down to whole
      pixels.

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


def sharpened(
  logits: Float[jax.Array, "rows classes"], temperature: float
) -> Float[jax.Array, "rows classes"]:
  """Probabilities p ** (1 / temperature), scaled to sum to one.

  >>> logits = jnp.log(jnp.array([[0.75, 0.25]]))
  >>> bool(abs(sharpened(logits, 0.5)[0, 0] - 0.9) < 1e-6)  # 9 to 1
  True
  """
  return jax.nn.softmax(logits / temperature)


def vectors(network: Network) -> tuple[Any, Callable[[Any], Any]]:
  """`(parameters, stats)` before training as vectors, and the inverse map.

  On vectors the training loop has a few operations. On trees every tensor
  would get kernels of its own, which take longer to compile than to run.
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


def picked(
  draws: Draws, mask: Bool[jax.Array, " aux"]
) -> Integer[jax.Array, "steps batch"]:
  """Indices of the labelled samples of each step, all within the mask."""
  allowed = jnp.argsort(~mask)  # stable: samples of the mask first, in order
  return allowed[draws.known % mask.sum().astype(jnp.uint32)]


def unknown(view: base.View) -> Integer[jax.Array, " unlabelled"]:
  """Training rows without a label."""
  labelled = jnp.zeros(runtime_trees.rows(view.shared.train), bool)
  labelled = labelled.at[jnp.asarray(view.trial.aux_rows)].set(True)
  return jnp.argsort(labelled)[: len(labelled) - len(view.trial.aux_rows)]
