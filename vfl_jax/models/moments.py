"""Statistics of a batch per channel, and the normalisation by them."""

from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

EPSILON = 1e-5


def moments(
  x: Float[Array, "*batch channels"],
) -> tuple[Float[Array, " channels"], Float[Array, " channels"]]:
  """Mean and biased variance per channel, in float32 or wider."""
  axes = tuple(range(x.ndim - 1))
  x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
  mean, square = x.mean(axes), (x * x).mean(axes)
  return mean, jnp.maximum(square - mean * mean, 0)


def fixed(
  x: Float[Array, "*batch channels"],
  scale: Float[Array, " channels"],
  shift: Float[Array, " channels"],
  mean: Float[Array, " channels"],
  var: Float[Array, " channels"],
) -> Float[Array, "*batch channels"]:
  """`scale (x - mean) / sqrt(var + 1e-5) + shift`, in the dtype of x."""
  y = (x - mean) * (lax.rsqrt(var + EPSILON) * scale) + shift
  return y.astype(x.dtype)
