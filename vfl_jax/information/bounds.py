"""Variational lower bounds on mutual information as pure functions.

With integer targets the critic has one output per class, so that the marginal
over classes is exact from one forward pass; with float targets it reads both
variables side by side. Each bound gives per-sample influences: their mean is
the estimate, their spread its standard error (delta method).
"""

import jax
import jax.numpy as jnp

from vfl_jax import nets
from vfl_jax import types

_SHIFTS = 16  # shifted pairings that stand for the product of marginals


def mine(num_classes: int | None, *, width: int = 64) -> types.Estimator:
  """Donsker-Varadhan bound with a moving-average corrected gradient.

  I(T;Y) >= E[f(t,y)] - log E_{p(t)p(y)}[exp f(t,y)].

  Args:
    num_classes: of integer targets, or None for float targets `[n, m]`.
    width: hidden width of the critic.

  Source: Belghazi et al. 2018, section 3.2.
  """
  init, apply = nets.critic(num_classes or 1, width)

  def of_labels(params, t, y, prior):
    f = apply(params, t)
    log_ratio = jax.nn.logsumexp(f + jnp.log(prior), axis=-1)
    return jnp.take_along_axis(f, y[:, None], 1)[:, 0], log_ratio

  def of_values(params, t, y, prior):
    del prior

    def f(y):
      return apply(params, jnp.concatenate([t, y], -1))[:, 0]

    # far pairings, so that neighbours in a batch are not favoured
    count = min(_SHIFTS, len(t) - 1)
    steps = [1 + i * (len(t) - 1) // count for i in range(count)]
    crossed = jnp.stack([f(jnp.roll(y, s, axis=0)) for s in steps])
    return f(y), jax.nn.logsumexp(crossed, axis=0) - jnp.log(count)

  scores = of_labels if num_classes else of_values

  def critic_init(key, t, y):
    return init(key, t if num_classes else jnp.concatenate([t, y], -1))

  def loss(params, log_average, t, y, prior):
    joint, log_ratio = scores(params, t, y, prior)
    log_mean = jax.nn.logsumexp(log_ratio) - jnp.log(len(t))
    log_average = jax.lax.stop_gradient(
      jnp.logaddexp(jnp.log(0.99) + log_average, jnp.log(0.01) + log_mean)
    )
    # the gradient of exp(log_mean) over its running average, not over itself
    return jnp.exp(log_mean - log_average) - jnp.mean(joint), log_average

  def influence(params, t, y, prior):
    joint, log_ratio = scores(params, t, y, prior)
    log_mean = jax.nn.logsumexp(log_ratio) - jnp.log(len(t))
    return joint - log_mean - jnp.exp(log_ratio - log_mean) + 1.0

  return types.Estimator(critic_init, loss, 0.0, influence, bool(num_classes))


def classifier(num_classes: int | None, *, width: int = 64) -> types.Estimator:
  """Barber-Agakov bound: E[log q(y|t) - log p(y)], q a softmax.

  The logits are added to log p(y), so that the untrained bound is exactly 0.

  Args:
    num_classes: of the targets.
    width: hidden width of the classifier.

  Raises:
    ValueError: float targets.

  Source: Barber and Agakov 2003.
  """
  if not num_classes:
    raise ValueError(
      "the classifier bound needs integer targets; take 'mine' for float ones."
    )
  init, apply = nets.critic(num_classes, width)

  def influence(params, t, y, prior):
    log_prior = jnp.log(prior)
    log_q = jax.nn.log_softmax(apply(params, t) + log_prior)
    chosen = y[:, None]
    return jnp.take_along_axis(log_q, chosen, 1)[:, 0] - log_prior[y]

  def loss(params, state, t, y, prior):
    return -jnp.mean(influence(params, t, y, prior)), state

  return types.Estimator(
    lambda key, t, y: init(key, t), loss, 0.0, influence, True
  )
