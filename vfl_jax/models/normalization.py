"""Batch normalisation whose gradient is written out.

What JAX derives from flax's keeps `x - mean` and takes three sums over the
batch per layer; in closed form two sums and one pass are left, which on CPU is
what a network of small convolutions otherwise waits for.
"""

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

_MOMENTUM, _EPSILON = 0.9, 1e-5


class BatchNorm(nn.Module):
  """Batch normalisation over all axes but the last, as flax's.

  Variables have flax's names: params `scale` and `bias` (with `affine`), and
  batch_stats `mean` and `var`.

  Attributes:
    affine: whether a scale and a shift per channel are learned.
  """

  affine: bool = True

  @nn.compact
  def __call__(self, x, train):
    channels = x.shape[-1:]
    mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
    var = self.variable("batch_stats", "var", jnp.ones, channels)
    scale, shift = jnp.ones(channels), jnp.zeros(channels)
    if self.affine:
      scale = self.param("scale", nn.initializers.ones, channels)
      shift = self.param("bias", nn.initializers.zeros, channels)
    if not train:
      return _affine(x, scale, shift, mean.value, var.value)
    moments = _moments(lax.stop_gradient(x))
    if not self.is_initializing():
      for old, new in zip((mean, var), moments, strict=True):
        old.value = _MOMENTUM * old.value + (1 - _MOMENTUM) * new
    return normalized(x, scale, shift, *moments)


def _moments(x):
  """Mean and biased variance per channel, in one pass over x."""
  axes = tuple(range(x.ndim - 1))
  mean, square = x.mean(axes), (x * x).mean(axes)
  return mean, jnp.maximum(square - mean * mean, 0)


def _affine(x, scale, shift, mean, var):
  return (x - mean) * (lax.rsqrt(var + _EPSILON) * scale) + shift


@jax.custom_vjp
def normalized(
  x: Float[Array, "*batch channels"],
  scale: Float[Array, " channels"],
  shift: Float[Array, " channels"],
  mean: Float[Array, " channels"],
  var: Float[Array, " channels"],
) -> Float[Array, "*batch channels"]:
  """`scale (x - mean) / sqrt(var + 1e-5) + shift`.

  `mean` and `var` must be those of x: the gradient to x counts what x does to
  them, and they get none themselves. There is no forward-mode derivative.
  """
  return _affine(x, scale, shift, mean, var)


def _forward(x, scale, shift, mean, var):
  return _affine(x, scale, shift, mean, var), (x, scale, mean, var)


def _backward(residuals, dy):
  x, scale, mean, var = residuals
  axes = tuple(range(x.ndim - 1))
  size = x.size // x.shape[-1]
  inverse = lax.rsqrt(var + _EPSILON)
  dshift = dy.sum(axes)
  # not `dy * (x - mean)`: that would be a map more to write and to read
  dscale = ((dy * x).sum(axes) - mean * dshift) * inverse
  dx = (scale * inverse) * (
    dy - dshift / size - (x - mean) * (inverse * dscale / size)
  )
  return dx, dscale, dshift, jnp.zeros_like(mean), jnp.zeros_like(var)


normalized.defvjp(_forward, _backward)
