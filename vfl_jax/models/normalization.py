"""Batch normalisation with statistics in float32 for any input dtype."""

from flax import linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

from vfl_jax.models import moments
from vfl_jax.models import normalization_cpu

DECAY = 0.9  # decay of the running averages per batch


class BatchNorm(nn.Module):
  """Batch normalisation over all axes but the last, like flax's.

  Variables have flax's names: params `scale` and `bias`, and batch_stats `mean`
  and `var`, running averages that move by a tenth per batch.

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
      return moments.fixed(x, scale, shift, *(old.value for old in kept))
    if not self.is_initializing():
      # XLA computes these and those of `normalise` only once
      now = moments.moments(jax.lax.stop_gradient(x))
      for old, new in zip(kept, now, strict=True):
        old.value = DECAY * old.value + (1 - DECAY) * new
    on_cpu = jax.default_backend() == "cpu"
    normalise = normalization_cpu.batch if on_cpu else batch
    return normalise(x, scale, shift)


def batch(
  x: Float[Array, "*batch channels"],
  scale: Float[Array, " channels"],
  shift: Float[Array, " channels"],
) -> Float[Array, "*batch channels"]:
  """`moments.fixed` by the statistics of x itself."""
  return moments.fixed(x, scale, shift, *moments.moments(x))
