"""Convolutions of several models side by side; used on accelerators.

`jax.vmap` turns a convolution with mapped weights into a grouped one, which
cuDNN computes no faster than one model after another. Here the channels of a
few models stand beside each other, and their kernels on the diagonal of one
larger kernel. Most of its products are with zeros, but a step of a small
network is a matter of how many operations are started, not of how many products
they take.

A convolution is linear in the images and in the kernel. So are the gradients to
either, and the derivative of each of these three maps consists of the two
others: any number of reverse-mode derivatives works.
"""

from collections.abc import Callable
import functools
import itertools
from typing import NamedTuple

import jax
from jax import custom_batching
from jax import lax
import jax.numpy as jnp

CHANNELS = 128  # most channels beside each other
_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Geometry(NamedTuple):
  """Height and width of the images and of the kernel, and the stride."""

  size: tuple[int, int]
  window: tuple[int, int]
  stride: int


def conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """`convolution.conv`, fast under `jax.vmap`; no forward-mode derivative."""
  geometry = Geometry(x.shape[1:3], kernel.shape[:2], stride)
  return _output(x, kernel, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _output(x, kernel, geometry):
  """Images and kernel to the new images."""
  return _mapped(_convolve, ("images", "kernel", "images"), geometry)(x, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _to_images(y, kernel, geometry):
  """The gradient to the images."""
  return _mapped(_images, ("images", "kernel", "images"), geometry)(y, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _to_kernel(x, y, geometry):
  """The gradient to the kernel."""
  return _mapped(_kernel, ("images", "images", "kernel"), geometry)(x, y)


def _residuals(operation):
  def forward(a, b, geometry):
    return operation(a, b, geometry), (a, b)

  return forward


def _backward_output(geometry, kept, dy):
  x, kernel = kept
  return _to_images(dy, kernel, geometry), _to_kernel(x, dy, geometry)


def _backward_images(geometry, kept, dx):
  y, kernel = kept
  return _output(dx, kernel, geometry), _to_kernel(dx, y, geometry)


def _backward_kernel(geometry, kept, dkernel):
  x, y = kept
  return _to_images(y, dkernel, geometry), _output(x, dkernel, geometry)


_output.defvjp(_residuals(_output), _backward_output)
_to_images.defvjp(_residuals(_to_images), _backward_images)
_to_kernel.defvjp(_residuals(_to_kernel), _backward_kernel)


# --- one model, by XLA --------------------------------------------------------


def _convolve(x, kernel, geometry):
  return lax.conv_general_dilated(
    x, kernel, (geometry.stride,) * 2, "SAME", dimension_numbers=_LAYOUT
  )


def _images(y, kernel, geometry):
  shape = (len(y), *geometry.size, kernel.shape[2])
  like = jax.ShapeDtypeStruct(shape, y.dtype)
  return jax.linear_transpose(lambda x: _convolve(x, kernel, geometry), like)(
    y
  )[0]


def _kernel(x, y, geometry):
  shape = (*geometry.window, x.shape[-1], y.shape[-1])
  like = jax.ShapeDtypeStruct(shape, x.dtype)
  return jax.linear_transpose(lambda k: _convolve(x, k, geometry), like)(y)[0]


# --- several models -----------------------------------------------------------


@functools.lru_cache
def _mapped(
  operation: Callable, kinds: tuple[str, str, str], geometry: Geometry
) -> Callable:
  """An operation that `jax.vmap` maps by `_beside`.

  Args:
    operation: `operation(a, b, geometry)`, one of the three above.
    kinds: "images" or "kernel" for a, b and the result.
    geometry: sizes and stride.
  """

  @custom_batching.custom_vmap
  def one(a, b):
    return operation(a, b, geometry)

  @custom_batching.custom_vmap
  def several(a, b):
    return _beside(operation, kinds, geometry, a, b)

  @one.def_vmap
  def _(count, mapped, a, b):
    if mapped == [True, False] and kinds[1] == "kernel":
      # one kernel for all: more images of the same model
      found = one(a.reshape(-1, *a.shape[2:]), b)
      return found.reshape(count, -1, *found.shape[1:]), True
    return several(*_spread(count, mapped, a, b)), True

  @several.def_vmap
  def _(count, mapped, a, b):
    a, b = _spread(count, mapped, a, b)
    found = several(*(t.reshape(-1, *t.shape[2:]) for t in (a, b)))
    return found.reshape(count, -1, *found.shape[1:]), True

  return one


def _spread(count, mapped, *arrays):
  """The arrays, those that are not mapped repeated."""
  return tuple(
    a if along else jnp.broadcast_to(a, (count, *a.shape))
    for a, along in zip(arrays, mapped, strict=True)
  )


def _beside(operation, kinds, geometry, a, b):
  """The operation of several models, as many at a time as `CHANNELS` hold."""
  count = len(a)
  channels = {"images": slice(-1, None), "kernel": slice(-2, None)}
  widest = max(
    size
    for kind, t in zip(kinds, (a, b), strict=False)
    for size in t.shape[channels[kind]]
  )
  pieces = -(-count // max(1, CHANNELS // widest))
  ends = [count * i // pieces for i in range(pieces + 1)]
  found = []
  for start, end in itertools.pairwise(ends):
    wide = (
      _WIDE[kind](t[start:end]) for kind, t in zip(kinds, (a, b), strict=False)
    )
    result = operation(*wide, geometry)
    found.append(_NARROW[kinds[2]](result, end - start))
  return jnp.concatenate(found) if pieces > 1 else found[0]


def _wide_images(images):
  """[models, batch, height, width, channels] to their channels in a row."""
  images = images.transpose(1, 2, 3, 0, 4)
  return images.reshape(*images.shape[:3], -1)


def _narrow_images(images, count):
  """Undoes `_wide_images`."""
  images = images.reshape(*images.shape[:3], count, -1)
  return images.transpose(3, 0, 1, 2, 4)


def _wide_kernel(kernels):
  """[models, rows, columns, in, out] to one kernel, zeros off its diagonal."""
  count, rows, columns, channels, out = kernels.shape
  own = jnp.eye(count, dtype=kernels.dtype)[:, None, :, None]
  kernels = kernels.transpose(1, 2, 0, 3, 4)[..., None, :] * own
  return kernels.reshape(rows, columns, count * channels, count * out)


def _narrow_kernel(kernel, count):
  """The blocks on the diagonal of `_wide_kernel`."""
  rows, columns, channels, out = kernel.shape
  kernel = kernel.reshape(
    rows, columns, count, channels // count, count, out // count
  )
  # the diagonal becomes the last axis
  diagonal = jnp.diagonal(kernel, axis1=2, axis2=4)
  return jnp.moveaxis(diagonal, -1, 0)


_WIDE = {"images": _wide_images, "kernel": _wide_kernel}
_NARROW = {"images": _narrow_images, "kernel": _narrow_kernel}
