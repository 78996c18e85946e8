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

from vfl_jax import rng

BLOCKS = 4
LOOKS = 40  # times the stopping part is looked at


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
  key, features, targets, *, bound, classes, folds, steps, batch, rate
) -> tuple[np.ndarray, np.ndarray]:
  """Per-sample influences of every layer, and what its own rows would say.

  Args:
    key: of this estimate.
    features: `[layers, n, d]`, or `[layers, folds, n, d]` where they differ
      by fold; rows in random order.
    targets: `[n]` integers or `[n, m]` floats.
    bound: a `types.Bound`.
    classes: number of them, None for float targets.
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
  n = features.shape[-2]
  runs = [*range(folds), 0]  # the last one with permuted targets
  rows = tuple(
    np.stack(part)
    for part in zip(*[parts(n, fold) for fold in runs], strict=True)
  )
  permuted = _permuted_within_blocks(rng.stream(key, "floor"), targets)
  y = np.stack([targets] * folds + [permuted])
  if features.ndim == 4:
    features = features[:, runs]
  example = features.reshape(-1, features.shape[-1])[:2], targets[:2]
  # all that is random is drawn on the host: it compiles to nothing there
  params = [
    bound.init(rng.stream(key, "init", layer, run), *example)
    for layer in range(len(features))
    for run in range(folds + 1)
  ]
  params = jax.tree.map(
    lambda *leaves: np.stack(leaves).reshape(
      len(features), folds + 1, *np.shape(leaves[0])
    ),
    *params,
  )
  fitting = rows[0].shape[1]
  batches = rng.generator(rng.stream(key, "batches")).integers(
    0, fitting, (folds + 1, steps, min(batch, fitting)), np.int32
  )
  program = _program(bound, classes, rate, features.ndim == 4)
  return jax.tree.map(np.asarray, program(params, features, y, rows, batches))


@functools.lru_cache
def _program(bound, classes, rate, own_features):
  """All layers and runs, compiled."""
  one = functools.partial(_one, bound=bound, classes=classes, rate=rate)
  own = 0 if own_features else None
  over_runs = jax.vmap(one, in_axes=(0, own, 0, 0, 0))
  over_layers = jax.vmap(over_runs, in_axes=(0, 0, None, None, None))
  return jax.jit(over_layers)


def _permuted_within_blocks(key, targets):
  """Permute inside each block, so that its class shares stay as they are."""
  generator = rng.generator(key)
  size = len(targets) // BLOCKS
  order = [i * size + generator.permutation(size) for i in range(BLOCKS)]
  rest = np.arange(BLOCKS * size, len(targets))
  return targets[np.concatenate([*order, rest])]


def _one(params, t, y, rows, batches, *, bound, classes, rate):
  """Influences on the reporting part, mean on the fitting part: one fold."""
  fit, stop, report = rows
  t = _standardised(t, fit)
  optimizer = optax.adam(rate)
  prior_fit, prior_stop, prior_report = (
    _class_shares(y[part], classes) for part in rows
  )

  def criterion(params):
    return bound.criterion(params, t[stop], y[stop], prior_stop)

  def step(carry, batch):
    params, optimizer_state, running = carry
    index = fit[batch]
    gradient, running = jax.grad(bound.loss, has_aux=True)(
      params, running, t[index], y[index], prior_fit
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
  fitted = bound.influence(training[0], t[fit], y[fit], prior_fit).mean()
  return bound.influence(best, t[report], y[report], prior_report), fitted


def _standardised(t, fit):
  """Centred and scaled by the fitting part.

  A column that hardly varies there keeps a small scale and outliers are
  clipped: both are functions of T, which can only lower its information, and
  without them one rare pixel of the reporting part decides an estimate.
  """
  t = t - jnp.mean(t[fit], 0)
  deviation = jnp.std(t[fit], 0)
  typical = jnp.sqrt(jnp.mean(deviation**2))
  return jnp.clip(t / (deviation + 0.05 * typical + 1e-12), -5.0, 5.0)


def _class_shares(y, classes):
  """Class shares of a part; a class absent from it keeps a trace."""
  if classes is None:
    return None
  counts = jnp.bincount(y, length=classes) + 1e-3
  return counts / counts.sum()
