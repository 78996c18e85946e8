"""Fitting a bound: cross-fitted, all layers, folds and the floor in one go.

The rows are cut into four blocks. In each fold two of them fit the critic, one
chooses the step, one reports; four folds report every row once, by a critic
that never saw it. The floor is the first fold with permuted targets.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import threads

BLOCKS = 4
LOOKS = 40  # times the stopping part is looked at
# numbers of the standardised layers of all runs that are held at a time, or one
# layer: a quarter of a gigabyte, and some five copies of it at the worst
AT_ONCE = 2**26
_ROOMIER = 8  # times as many on an accelerator


def parts(n: int, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Rows to fit on, stop on and report on in a fold: 1/2, 1/4, 1/4.

  The rows are expected in random order; a remainder of at most three is left
  out.

  >>> [p.tolist() for p in parts(9, fold=0)]
  [[0, 1, 2, 3], [4, 5], [6, 7]]
  >>> [p.tolist() for p in parts(9, fold=1)]
  [[2, 3, 4, 5], [6, 7], [0, 1]]
  """
  size = n // BLOCKS
  blocks = np.arange(BLOCKS * size).reshape(BLOCKS, size)
  turned = blocks[(np.arange(BLOCKS) + fold) % BLOCKS]
  return np.concatenate(turned[:2]), turned[2], turned[3]


def influences(
  key, features, widths, targets, *, bound, folds, steps, batch, rate
) -> tuple[np.ndarray, np.ndarray]:
  """Per-sample influences of every layer, and what its own rows would say.

  All layers meet the same batches and, where they are as wide, the same first
  critic: what differs between their estimates is what they hold.

  Args:
    key: of this estimate.
    features: `[layers, n, d]`, or `[layers, folds, n, d]` where they differ
      by fold; prepared (see `preparation`), rows in random order.
    widths: of each layer, columns that are not padding with zeros.
    targets: `[n]` integers from 0, none left out, or `[n, m]` floats.
    bound: a `base.Bound`.
    folds: 1 to 4.
    steps: of the optimiser, less what is left over by looks of equal length
      (99 of 100).
    batch: rows per step.
    rate: of Adam.

  Returns:
    Influences on the reporting part `[layers, folds + 1, rows of a part]`,
    the folds, then the floor; and what each critic reads on its fitting rows
    at the end of its training `[layers, folds + 1]`.
  """
  layers, columns = len(features), features.shape[-1]
  widths = np.maximum(widths, 1)
  runs = [*range(folds), 0]  # the last one with permuted targets
  rows = tuple(
    np.stack(part)
    for part in zip(*[parts(len(targets), fold) for fold in runs], strict=True)
  )
  permuted = _permuted_within_blocks(rng.stream(key, "floor"), targets)
  y = np.stack([targets] * folds + [permuted])
  if features.ndim == 4:
    features = features[:, runs]
  elif _in_turn():  # as if they differed: one program for both kinds
    shape = layers, len(runs), *features.shape[1:]
    features = np.broadcast_to(features[:, None], shape)
  # all that is random is drawn on the host: it compiles to nothing there
  params = {
    width: [
      _initial(bound, rng.stream(key, "init", run), width, columns, targets)
      for run in range(folds + 1)
    ]
    for width in set(widths.tolist())
  }
  fitting = rows[0].shape[1]
  batches = rng.generator(rng.stream(key, "batches")).integers(
    0, fitting, (folds + 1, steps, min(batch, fitting)), np.int32
  )
  program = _program(bound, rate, features.ndim == 4)
  prior = _shares(targets)

  def arguments(chunk):
    return (
      _stacked([_stacked(params[widths[i]]) for i in chunk]),
      features[chunk],
      y,
      prior,
      rows,
      batches,
    )

  numbers = len(runs) * len(targets) * columns
  chunks = _chunks(layers, numbers)
  found = threads.concurrently(
    program,
    arguments,
    chunks,
    max(1, _at_once() // (chunks.shape[1] * numbers)),
  )
  influence, fitted = (
    np.concatenate(parts)[:layers] for parts in zip(*found, strict=True)
  )
  return influence, fitted


def _initial(bound, key, width, columns, targets):
  """Parameters for `width` columns, padded with zeros to `columns`.

  They stay as they are: what is multiplied by zero has no gradient.
  """
  params, padded = (
    bound.init(key, np.zeros((2, d), np.float32), targets[:2])
    for d in (width, columns)
  )
  return jax.tree.map(
    lambda a, b: np.pad(
      a, [(0, long - short) for short, long in zip(a.shape, b.shape)]
    ),
    params,
    padded,
  )


def _stacked(trees):
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _chunks(layers, numbers):
  """Layers in chunks of one size; the last is filled up with the first ones.

  Where they take turns anyway a chunk is one layer, so that a program serves
  any number of them.
  """
  count = -(-layers // (1 if _in_turn() else max(1, _at_once() // numbers)))
  size = -(-layers // count)
  return (np.arange(count * size) % layers).reshape(count, size)


def _at_once():
  return AT_ONCE if _in_turn() else _ROOMIER * AT_ONCE


def _in_turn():
  """Whether layers and runs are fitted one after another here."""
  return axes.method(heavy=True) == "map"


@functools.lru_cache
def _program(bound, rate, own_features):
  """All layers and runs, compiled."""
  one = functools.partial(_one, bound=bound, rate=rate)
  own = 0 if own_features else None
  how = axes.method(heavy=True)
  over_runs = axes.over(one, how, (0, own, 0, None, 0, 0))
  over_layers = axes.over(over_runs, how, (0, 0, None, None, None, None))
  return jax.jit(over_layers)


def _permuted_within_blocks(key, targets):
  """Permute inside each block, so that its class shares stay as they are."""
  generator = rng.generator(key)
  size = len(targets) // BLOCKS
  order = [i * size + generator.permutation(size) for i in range(BLOCKS)]
  rest = np.arange(BLOCKS * size, len(targets))
  return targets[np.concatenate([*order, rest])]


def _one(params, t, y, prior, rows, batches, *, bound, rate):
  """Influences on the reporting part, mean on the fitting part: one fold."""
  fit, stop, report = rows
  optimizer = optax.adam(rate)

  held = t[stop], y[stop]  # taken here, or every look would take them again

  def criterion(params):
    return bound.criterion(params, *held, prior)

  def step(carry, batch):
    params, optimizer_state, running = carry
    index = fit[batch]
    gradient, running = jax.grad(bound.loss, has_aux=True)(
      params, running, t[index], y[index], prior
    )
    change, optimizer_state = optimizer.update(gradient, optimizer_state)
    params = optax.apply_updates(params, change)
    return (params, optimizer_state, running), None

  def look(carry, batches):
    training, best, best_value = carry
    training, _ = jax.lax.scan(step, training, batches)
    now = criterion(training[0])
    better = now > best_value
    best = jax.tree.map(lambda a, b: jnp.where(better, a, b), training[0], best)
    return (training, best, jnp.where(better, now, best_value)), None

  every = -(-len(batches) // LOOKS)  # steps between looks
  looks = len(batches) // every
  batches = batches[: looks * every]  # all but at most a look's remainder
  running = jax.tree.map(jnp.float32, bound.init_state)
  training = (params, optimizer.init(params), running)
  start = (training, params, criterion(params))
  (training, best, _), _ = jax.lax.scan(
    look, start, batches.reshape(looks, -1, batches.shape[-1])
  )
  fitted = bound.influence(training[0], t[fit], y[fit], prior).mean()
  return bound.influence(best, t[report], y[report], prior), fitted


def _shares(targets):
  """Class shares of all rows: with them the estimate and H(Y) speak of one Y.

  By the shares of a part, what could be reached at 100 classes and 500 rows
  lay a third of a nat below H(Y).
  """
  if not np.issubdtype(targets.dtype, np.integer):
    return None
  return np.float32(np.bincount(targets) / len(targets))
