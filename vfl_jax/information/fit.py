"""Fitting a bound: three disjoint parts, all layers in one program.

The critic is fitted on one part, the step is chosen on a second, the value is
reported on a third; the floor is the same with permuted targets.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax import rng
from vfl_jax import types

LOOKS = 20  # times the stopping part is looked at


def parts(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Rows to fit on, stop on and report on: 1/2, 1/4, 1/4.

  The rows are expected in random order.

  >>> [len(p) for p in parts(10)]
  [5, 2, 3]
  """
  return tuple(np.split(np.arange(n), [n // 2, n // 2 + n // 4]))  # pyright: ignore


@functools.partial(
  jax.jit, static_argnames=("estimator", "steps", "batch", "learning_rate")
)
def estimate(
  key, features, targets, prior, *, estimator, steps, batch, learning_rate
):
  """Value and standard error of every layer, for true and permuted targets.

  Args:
    key: of this estimate.
    features: `[layers, n, d]`, rows in random order.
    targets: `[n]` integers or `[n, m]` floats.
    prior: class shares `[classes]` per part, `[3, classes]`; or None.
    estimator: a `types.Estimator`.
    steps: of the optimiser.
    batch: rows per step.
    learning_rate: of Adam.

  Returns:
    `(nats, error)`, each `[2, layers]`: true targets first, then permuted.
  """
  n = features.shape[1]
  rows = parts(n)
  shuffled = _permuted_within(rng.stream(key, "floor"), targets, rows)
  both = jnp.stack([targets, shuffled])
  keys = jax.random.split(rng.stream(key, "fit"), len(features))
  one = functools.partial(
    _one,
    rows=rows,
    prior=prior,
    estimator=estimator,
    steps=steps,
    batch=batch,
    learning_rate=learning_rate,
  )
  over_layers = jax.vmap(one, in_axes=(0, 0, None))
  return jax.vmap(over_layers, in_axes=(None, None, 0))(keys, features, both)


def _permuted_within(key, targets, rows):
  """Permute inside each part, so that its class shares stay as they are."""
  pieces = [
    jax.random.permutation(jax.random.fold_in(key, i), targets[part])
    for i, part in enumerate(rows)
  ]
  return jnp.concatenate(pieces)


def _one(key, t, y, *, rows, prior, estimator, steps, batch, learning_rate):
  fit, stop, report = rows
  t = _standardised(t, fit)
  priors = [None] * 3 if prior is None else list(prior)
  batch = min(batch, len(fit))
  optimizer = optax.adam(learning_rate)
  params = estimator.init(rng.stream(key, "init"), t[:2], y[:2])

  def value(params, part, prior):
    return jnp.mean(estimator.influence(params, t[part], y[part], prior))

  def step(carry, key):
    params, optimizer_state, running = carry
    index = jax.random.randint(key, (batch,), 0, len(fit))  # rows of `fit`
    gradient, running = jax.grad(estimator.loss, has_aux=True)(
      params, running, t[index], y[index], priors[0]
    )
    change, optimizer_state = optimizer.update(gradient, optimizer_state)
    params = optax.apply_updates(params, change)
    return (params, optimizer_state, running), None

  def look(carry, keys):
    training, best, best_value = carry
    training, _ = jax.lax.scan(step, training, keys)
    now = value(training[0], stop, priors[1])
    better = now > best_value
    best = jax.tree.map(lambda a, b: jnp.where(better, a, b), training[0], best)
    return (training, best, jnp.where(better, now, best_value)), None

  looks = min(LOOKS, steps)
  keys = jax.random.split(rng.stream(key, "steps"), looks * (steps // looks))
  running = jax.tree.map(jnp.float32, estimator.init_state)
  training = (params, optimizer.init(params), running)
  start = (training, params, value(params, stop, priors[1]))
  (_, best, _), _ = jax.lax.scan(
    look, start, keys.reshape(looks, steps // looks)
  )
  influence = estimator.influence(best, t[report], y[report], priors[2])
  error = jnp.std(influence, ddof=1) / jnp.sqrt(len(report))
  return jnp.mean(influence), error


def _standardised(t, fit):
  """Centred and scaled by the fitting part.

  A column that hardly varies there keeps a small scale and outliers are
  clipped: both are functions of T, which can only lower its information, and
  without them one rare pixel of the reporting part decides an estimate.
  """
  t = t - jnp.mean(t[fit], 0)
  deviation = jnp.std(t[fit], 0)
  typical = jnp.sqrt(jnp.mean(deviation**2))
  return jnp.clip(t / (deviation + 0.05 * typical + 1e-6), -5.0, 5.0)


def class_shares(targets: np.ndarray, num_classes: int) -> np.ndarray:
  """Smoothed class shares of each part, `[3, classes]`."""
  counts = np.stack(
    [
      np.bincount(targets[part], minlength=num_classes)
      for part in parts(len(targets))
    ]
  )
  counts = counts + 1e-3  # a class absent from a part
  return (counts / counts.sum(1, keepdims=True)).astype(np.float32)


def entropy(targets: np.ndarray) -> float:
  """Plug-in entropy of integer targets, in nats."""
  shares = np.bincount(targets) / len(targets)
  shares = shares[shares > 0]
  return float(-np.sum(shares * np.log(shares)))


def check(features, targets) -> None:
  """Raises ValueError where an estimate could not mean anything."""
  if features.ndim != 3 or targets.shape[0] != features.shape[1]:
    raise ValueError(
      f"features are {features.shape}, targets {targets.shape}; they must be"
      " [layers, n, d] and [n] or [n, m]."
    )
  if features.shape[1] < 40:
    raise ValueError(
      f"{features.shape[1]} samples are too few to fit, stop and report on "
      "disjoint parts; at least 40 are needed."
    )
  if not np.isfinite(features).all():
    raise ValueError("features hold values that are not finite.")


def to_estimate(nats, error, targets, discrete: bool) -> types.MIEstimate:
  """The arrays of `estimate` as a result."""
  return types.MIEstimate(
    nats=nats[0],
    interval=1.96 * error[0],
    floor=nats[1],
    ceiling=entropy(targets) if discrete else None,
    n=len(parts(len(targets))[2]),
  )
