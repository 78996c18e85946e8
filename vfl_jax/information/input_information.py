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

from vfl_jax.runtime import rng


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
  t = np.asarray(features, np.float64)
  t = t - t.mean(0)
  t = t / (noise * float(np.sqrt(np.mean(t.var(0)))) or 1.0)
  # in units of the noise squares are large and their differences small: in
  # single precision they would cancel to nothing
  squares = (t**2).sum(1)
  distances = np.maximum(squares[:, None] + squares - 2 * t @ t.T, 0.0)
  found = _pointwise(
    key, jnp.asarray(t, jnp.float32), jnp.asarray(distances, jnp.float32), draws
  )
  values = np.asarray(found)
  return float(values.mean()), float(values.std() / np.sqrt(values.size))


@functools.partial(jax.jit, static_argnums=3)
def _pointwise(key, t, distances, draws):
  """log p(t + z | x) / p(t + z) of every sample and draw, unit noise.

  Expanded around the own centre: the density of t_i + z under that of t_j is,
  relative to its own, exp(-|t_i - t_j|^2 / 2 - z (t_i - t_j)); at most log n.
  """

  def one(key):
    z = rng.normal(key, t.shape)
    across = z @ t.T
    exponent = across - jnp.diagonal(across)[:, None] - 0.5 * distances
    exponent = jnp.fill_diagonal(exponent, 0.0, inplace=False)
    return jnp.log(len(t)) - jax.nn.logsumexp(exponent, axis=1)

  return jax.lax.map(one, rng.split(key, draws))
