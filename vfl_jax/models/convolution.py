"""Convolution and pooling of images, [batch, height, width, channels]."""

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

from vfl_jax.models import convolution_accelerator
from vfl_jax.models import convolution_cpu


def conv(
  x: Float[Array, "batch height width channels"],
  kernel: Float[Array, "rows columns channels out"],
  stride: int = 1,
  method: str = "auto",
) -> Float[Array, "batch new_height new_width out"]:
  """2-D convolution with SAME padding, equal to `lax.conv_general_dilated`.

  Only "plain", and "im2col" on a 1 x 1 kernel, have a forward-mode derivative.

  Args:
    x: images, [batch, height, width, in].
    kernel: weights, [kernel height, kernel width, in, out].
    stride: step along both spatial axes.
    method: "plain" uses XLA's own gradients. The others have hand-written
      gradients: "canonical" computes the output and the gradient to x as
      NHWC/HWIO convolutions, "blocks" (stride 1 only) does the same with
      neighbouring columns stacked as channels, and "im2col" uses slices and
      one matrix product. "wide" puts models that `jax.vmap` maps over beside
      each other. "auto" is the fastest method measured on a CPU, and "wide" on
      every other backend.

  Returns:
    Images, [batch, ceil(height / stride), ceil(width / stride), out].

  Raises:
    ValueError: the method is unknown, or "blocks" is used with a stride.
  """
  if method == "auto":
    on_cpu = jax.default_backend() == "cpu"
    fastest = convolution_cpu.fastest(x.shape, kernel.shape, stride)
    method = fastest if on_cpu else "wide"
  if method == "plain":
    return lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      "SAME",
      dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
  if method == "wide":
    return convolution_accelerator.conv(x, kernel, stride)
  if method not in convolution_cpu.METHODS:
    raise ValueError(
      f"method is {method!r}; it must be 'auto', 'plain', 'wide', "
      "'canonical', 'blocks' or 'im2col'"
    )
  if method == "blocks" and stride != 1:
    raise ValueError(
      f"method 'blocks' needs stride 1, not {stride}; take another method"
    )
  if method == "im2col" and kernel.shape[:2] == (1, 1):
    return x[:, ::stride, ::stride] @ kernel[0, 0]
  return convolution_cpu.conv(x, kernel, stride, method)


def _windows(x, fill):
  """[batch, H, W, C] to [batch, H/2, 2, W/2, 2, C], odd sizes padded."""
  batch, height, width, channels = x.shape
  x = jnp.pad(
    x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), constant_values=fill
  )
  return x.reshape(batch, -(-height // 2), 2, -(-width // 2), 2, channels)


def pool(
  x: Float[Array, "batch height width channels"], kind: str
) -> Float[Array, "batch new_height new_width channels"]:
  """2 x 2 pooling, stride 2, SAME: [batch, ceil(H/2), ceil(W/2), channels].

  Args:
    x: images.
    kind: "max" (tied entries share the gradient), "average" (padding counts
      as zeros, as in flax), or "none", which returns the images.
  """
  if kind == "max":
    return _windows(x, -jnp.inf).max((2, 4))
  if kind == "average":
    return _windows(x, 0).mean((2, 4))
  return x
