"""I(X;T) of a layer that carries noise.

A deterministic layer determines I(X;T) to be H(X) or infinite, so the quantity
is defined for T + Z with Gaussian Z. With X uniform over the samples the
density of T + Z is a mixture in closed form, and the average over Z is all
that is estimated.

Source: Goldfeld et al. 2019, "Estimating information flow in deep neural
networks".
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def input_information(
  key: jax.Array, features: np.ndarray, noise: float, draws: int = 8
) -> tuple[float, float]:
  """I(X; T + Z) in nats, Z of standard deviation `noise` times T's spread.

  Args:
    key: random key.
    features: `[n, d]`, a row per sample; at most log n nats can be seen.
    noise: share of the root mean square deviation of the columns.
    draws: of Z per sample.

  Returns:
    The estimate and its standard error.

  Raises:
    ValueError: noise that is not positive.

  >>> two = np.repeat([[-1.0], [1.0]], 50, axis=0)
  >>> found = input_information(jax.random.key(0), two, noise=0.01)[0]
  >>> bool(abs(found - np.log(2)) < 1e-3)  # two values, told apart
  True
  """
  if not noise > 0:
    raise ValueError(f"information.noise is {noise}; it must be > 0.")
  t = np.asarray(features, np.float32)
  t = t - t.mean(0)
  scale = noise * float(np.sqrt(np.mean(t.var(0)))) or 1.0
  values = np.asarray(_pointwise(key, jnp.asarray(t / scale), draws))
  return float(values.mean()), float(values.std() / np.sqrt(values.size))


@functools.partial(jax.jit, static_argnums=2)
def _pointwise(key, t, draws):
  """log p(t + z | x) / p(t + z) of every sample and draw, unit noise."""

  def one(key):
    z = jax.random.normal(key, t.shape)
    noisy = t + z
    squared = (noisy**2).sum(1)[:, None] - 2 * noisy @ t.T + (t**2).sum(1)[None]
    log_mixture = jax.nn.logsumexp(-0.5 * squared, axis=1) - jnp.log(len(t))
    return -0.5 * (z**2).sum(1) - log_mixture

  return jax.lax.map(one, jax.random.split(key, draws))
