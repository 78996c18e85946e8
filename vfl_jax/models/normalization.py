"""Batch normalisation whose gradient is written out.

What JAX derives from the usual definition keeps `x - mean` and takes three sums
over the batch; in closed form two sums and one pass over the map are left.
"""

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

from vfl_jax.models import heads


class BatchNorm(nn.Module):
  """Batch normalisation over all axes but the last, as flax's, faster.

  Variables have flax's names: params `scale` and `bias`, and batch_stats `mean`
  and `var`, which follow the batches' at a rate of .1.

  Attributes:
    affine: whether a scale and a shift per channel are learned.
  """

  affine: bool = True

  @nn.compact
  def __call__(self, x, train):
    channels = x.shape[-1:]
    kept = [
      self.variable("batch_stats", "mean", jnp.zeros, channels),
      self.variable("batch_stats", "var", jnp.ones, channels),
    ]
    scale, shift = jnp.ones(channels), jnp.zeros(channels)
    if self.affine:
      scale = self.param("scale", nn.initializers.ones, channels)
      shift = self.param("bias", nn.initializers.zeros, channels)
    if not train:
      return fixed(x, scale, shift, *(old.value for old in kept))
    if not self.is_initializing():
      # XLA computes them once for here and there
      now = moments(jax.lax.stop_gradient(x))
      for old, new in zip(kept, now, strict=True):
        old.value = heads.DECAY * old.value + (1 - heads.DECAY) * new
    return batch(x, scale, shift)


_EPSILON = 1e-5


def moments(
  x: Float[Array, "*batch channels"],
) -> tuple[Float[Array, " channels"], Float[Array, " channels"]]:
  """Mean and biased variance per channel."""
  axes = tuple(range(x.ndim - 1))
  mean, square = x.mean(axes), (x * x).mean(axes)
  return mean, jnp.maximum(square - mean * mean, 0)


def fixed(
  x: Float[Array, "*batch channels"],
  scale: Float[Array, " channels"],
  shift: Float[Array, " channels"],
  mean: Float[Array, " channels"],
  var: Float[Array, " channels"],
) -> Float[Array, "*batch channels"]:
  """`scale (x - mean) / sqrt(var + 1e-5) + shift` of given statistics."""
  return (x - mean) * (lax.rsqrt(var + _EPSILON) * scale) + shift


@jax.custom_vjp
def batch(
  x: Float[Array, "*batch channels"],
  scale: Float[Array, " channels"],
  shift: Float[Array, " channels"],
) -> Float[Array, "*batch channels"]:
  """The same of x's own statistics; there is no forward-mode derivative."""
  return _forward(x, scale, shift)[0]


def _forward(x, scale, shift):
  mean, var = moments(x)
  return fixed(x, scale, shift, mean, var), (x, scale, mean, var)


def _backward(residuals, dy):
  x, scale, mean, var = residuals
  axes = tuple(range(x.ndim - 1))
  size = x.size // x.shape[-1]
  inverse = lax.rsqrt(var + _EPSILON)
  dshift = dy.sum(axes)
  if x.ndim == 2:
    dscale = (dy * (x - mean)).sum(axes) * inverse
  else:  # without a difference, which is one more map to write and to read
    dscale = ((dy * x).sum(axes) - mean * dshift) * inverse
  dx = (scale * inverse) * (
    dy - dshift / size - (x - mean) * (inverse * dscale / size)
  )
  return dx, dscale, dshift


batch.defvjp(_forward, _backward)
