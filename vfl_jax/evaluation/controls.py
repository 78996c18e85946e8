"""Controls and ceilings that attacks are compared with.

A control gets the same auxiliary labels, but nothing that came out of the
federation. The no-VFL control has exactly the rows and the budget of the
attack; learners that see features alone are in `learners`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.federation import split
from vfl_jax.models import heads
from vfl_jax.models import normalization
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

_CALIBRATION, _BATCH = 30, 128  # batches, and rows of each; see `untrained`


def untrained(net: split.Net, party: int, keys, inputs) -> Any:
  """Draws random bottoms of a party, with statistics of its features.

  The normalisation statistics are running averages over 30 random batches of
  128 training rows.

  Args:
    net: the split model.
    party: number of the party whose bottom is drawn.
    keys: one random key per seed.
    inputs: features of the training rows, one tree per party.

  Returns:
    Variables of the bottom, a seed axis first.
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
  """The program, shared by all parties and experiments of a process."""

  def calibrate(key, variables, x):
    batch = min(_BATCH, trees.rows(x))

    def body(variables, rows):
      _, stats = bottom(variables, trees.take(x, rows), train=True)
      return {**variables, "stats": stats}, None

    drawn = rng.integers(key, (_CALIBRATION, batch), trees.rows(x))
    after, _ = jax.lax.scan(body, variables, drawn)
    # removes the share of the initial values from the running averages
    left = normalization.DECAY**_CALIBRATION
    stats = jax.tree.map(
      lambda new, old: (new - left * old) / (1 - left),
      after["stats"],
      variables["stats"],
    )
    return {**variables, "stats": stats}

  return jax.jit(axes.over(calibrate, how, in_axes=(0, 0, None)))


def ceiling(keys, train, test, labels, num_classes: int, steps: int):
  """Ceiling of attacks: scores of heads trained on every label.

  Args:
    keys: one random key per seed.
    train: embeddings of the training rows, `[seeds, n, d]`.
    test: embeddings of the test rows, `[seeds, m, d]`.
    labels: labels of the training rows, `[n]`.
    num_classes: number of classes.
    steps: number of Adam steps, with batches of 128 rows.

  Returns:
    `(train, test)` scores, `[seeds, rows, classes]`, of the head (linear or
    published) that fits the training rows better, chosen for each seed.
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
