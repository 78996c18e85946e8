"""Semi-supervised training by mixing samples: MixMatch, and MixText on text.

Both guess the labels of unlabelled samples, sharpen the guesses and train on
mixtures of any two samples. MixText mixes hidden states where inputs are ids.

Source: Berthelot et al. 2019; Chen, Yang and Yang 2020.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from vfl_jax import mapping
from vfl_jax import rng
from vfl_jax import types

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


def train(
  key: jax.Array,
  network: Network,
  view: types.View,
  rows: Any,
  mask: jax.Array,
  rule: Rule,
  *,
  steps: int,
  batch: int,
  learning_rate: float,
  looks: int = 1,
) -> Any:
  """Averaged parameters and statistics, at looks of equal distance.

  Args:
    key: random key.
    network: what is trained.
    view: for its auxiliary samples.
    rows: inputs of all training rows.
    mask: which auxiliary samples may be used.
    rule: `MIXMATCH`, say; its weight may be another.
    steps: of Adam.
    batch: labelled rows per step, and as many unlabelled ones.
    learning_rate: of Adam.
    looks: how many to return; the last is after the last step.

  Returns:
    `(parameters, stats)` with the looks first.
  """
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
  places = len(network.lower)

  def step(carry, inputs):
    variables, optimizer_state, average = carry
    parameters, stats = variables
    i, key, share, place = inputs
    keys = jax.random.split(key, 3)
    pick = jax.random.categorical(keys[0], choice, shape=(batch,))
    other = unlabelled[
      jax.random.randint(keys[1], (batch,), 0, len(unlabelled))
    ]
    x_known = mapping.take(rows, known[pick])
    x_other = mapping.take(rows, other)
    weight = rule.weight * (i / steps if rule.ramp else 1.0)
    order = jax.random.permutation(keys[2], 2 * batch)

    guess, _ = network.predict(variables, x_other, True)
    guess = jax.lax.stop_gradient(jax.nn.softmax(guess / rule.sharpen))
    wanted = jnp.concatenate([targets[pick], guess])
    wanted = share * wanted + (1 - share) * wanted[order]
    x = jax.tree.map(lambda *a: jnp.concatenate(a), x_known, x_other)

    def mixed_at(lower, upper):
      def run(parameters):
        hidden = lower(parameters, stats, x, True)
        mixed = jax.tree.map(
          lambda a: share * a + (1 - share) * a[order], hidden
        )
        return upper(parameters, stats, mixed, True)

      return run

    runs = [
      mixed_at(*parts)
      for parts in zip(network.lower, network.upper, strict=True)
    ]

    def loss(parameters):
      if places == 1:
        logits, new_stats = runs[0](parameters)
      else:
        logits, new_stats = jax.lax.switch(place, runs, parameters)
      log_q = jax.nn.log_softmax(logits)
      crossed = -jnp.sum(wanted * log_q, -1)
      apart = crossed[batch:]
      if rule.squared:
        apart = (jnp.exp(log_q[batch:]) - wanted[batch:]) ** 2
      return jnp.mean(crossed[:batch]) + weight * jnp.mean(apart), new_stats

    gradient, stats = jax.grad(loss, has_aux=True)(parameters)
    change, optimizer_state = optimizer.update(gradient, optimizer_state)
    variables = optax.apply_updates(parameters, change), stats
    # corrected, so that a short run does not average over its start
    rate = (1 - keep) / (1 - keep ** (i + 1.0))
    average = jax.tree.map(lambda a, b: a + rate * (b - a), average, variables)
    return (variables, optimizer_state, average), None

  def look(carry, inputs):
    carry, _ = jax.lax.scan(step, carry, inputs)
    return carry, carry[2]

  start = network.parameters, network.stats
  carry: Any = (start, optimizer.init(network.parameters), start)
  # drawn at once: a beta draw is a rejection loop of its own
  shares = jax.random.beta(
    rng.stream(key, "mixup"), rule.alpha, rule.alpha, (steps,)
  )
  inputs = (
    jnp.arange(steps),
    jax.random.split(rng.stream(key, "steps"), steps),
    jnp.maximum(shares, 1.0 - shares),
    jax.random.randint(rng.stream(key, "places"), (steps,), 0, places),
  )
  every = max(1, steps // looks)
  rest = max(0, steps - looks * every)
  if rest:
    carry, _ = jax.lax.scan(step, carry, mapping.take(inputs, slice(0, rest)))
  inputs = jax.tree.map(
    lambda a: a[rest:].reshape(-1, every, *a.shape[1:]), inputs
  )
  return jax.lax.scan(look, carry, inputs)[1]
