"""Convolution that stays fast inside a loop body; used on a CPU only.

Inside `lax.scan`, `lax.map` or `lax.cond` XLA's CPU compiler does not rewrite
a convolution to the NHWC/HWIO form that its fast (Eigen) kernel takes, so the
gradients JAX derives run as naive loops, 9 to 38 times slower
(jax-ml/jax#12868). Here the backward pass is written in that form by hand. The
gradient to small kernels uses matrix products, which is 4 times faster still.
"""

import functools

import jax
from jax import lax
import jax.numpy as jnp

METHODS = ("canonical", "blocks", "im2col")
_LAYOUT = ("NHWC", "HWIO", "NHWC")
_CACHED = 2**20  # numbers copied before a product, 4 MB: they fit the cache
_CHANNELS = 32  # XLA's convolutions are fast from this many channels on


def fastest(
  x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], stride: int
) -> str:
  """The member of `METHODS` that was measured to be fastest on a CPU."""
  kh, kw, channels, out = kernel_shape
  out_area = -(-x_shape[1] // stride) * -(-x_shape[2] // stride)
  # On a map smaller than the kernel XLA runs naive loops, even outside a scan.
  if out_area <= kh * kw or kh * kw == 1:
    return "im2col"
  if stride == 1 and max(channels, out) <= _CHANNELS // 2:
    return "blocks"
  return "im2col" if channels < 8 else "canonical"


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(
  x: jax.Array, kernel: jax.Array, stride: int, method: str
) -> jax.Array:
  """`convolution.conv` by one of `METHODS`; no forward-mode derivative."""
  if method == "im2col":
    return _im2col(x, kernel, stride)
  pads = _same_pads(x.shape, kernel.shape, stride)
  if method == "blocks":
    return _blocks(x, kernel, pads)
  return _conv(x, kernel, pads, stride)


def _same_pads(x_shape, kernel_shape, stride):
  return lax.padtype_to_pads(
    x_shape[1:3], kernel_shape[:2], (stride, stride), "SAME"
  )


def _conv(x, kernel, pads, stride=1, kernel_dilation=1):
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride,) * 2,
    pads,
    rhs_dilation=(kernel_dilation,) * 2,
    dimension_numbers=_LAYOUT,
  )


def _blocks(x, kernel, pads):
  """The convolution of stride 1 on blocks of columns, each with all channels.

  XLA's kernels vectorise along the channels, and few channels leave most of a
  vector empty. A block of t columns reaches into the next one, so for t = 2 and
  a kernel of width 3 a third of the products are with zeros.
  """
  batch, height, width, channels = x.shape
  kh, kw, _, out = kernel.shape
  low, high = pads[1]
  new_width = width + low + high - kw + 1
  side = 1
  while 2 * side * max(channels, out) <= _CHANNELS and side < new_width:
    side *= 2
  reach = -(-(side + kw - 1) // side)  # blocks that one block of outputs sees
  count = -(-new_width // side)
  padded = (count + reach - 1) * side
  # concatenated, because XLA would fuse a pad with the producer of x, which
  # takes longer
  rim = jnp.zeros((batch, height, padded - width, channels), x.dtype)
  x = jnp.concatenate([rim[:, :, :low], x, rim[:, :, low:]], 2)
  # for each further column of a block the kernel is shifted by one
  shifted = [
    jnp.pad(kernel, ((0, 0), (i, reach * side - kw - i), (0, 0), (0, 0)))
    for i in range(side)
  ]
  y = _conv(
    x.reshape(batch, height, padded // side, side * channels),
    jnp.stack(shifted, 3).reshape(kh, reach, side * channels, side * out),
    [pads[0], (0, 0)],
  )
  return y.reshape(batch, -1, count * side, out)[:, :, :new_width]


def _im2col(x, kernel, stride):
  """The convolution as one product of all shifted slices with the kernel."""
  kh, kw, channels, out = kernel.shape
  height, width = (-(-n // stride) for n in x.shape[1:3])
  pads = _same_pads(x.shape, kernel.shape, stride)
  x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
  # Slices: `lax.conv_general_dilated_patches` is itself a slow convolution.
  columns = jnp.concatenate(
    [
      x[
        :,
        i : i + (height - 1) * stride + 1 : stride,
        j : j + (width - 1) * stride + 1 : stride,
      ]
      for i in range(kh)
      for j in range(kw)
    ],
    axis=-1,
  )
  return columns @ kernel.reshape(kh * kw * channels, out)


def _forward(x, kernel, stride, method):
  # Keeps x, not the columns, which are kernel-area times as large.
  return conv(x, kernel, stride, method), (x, kernel)


def _backward(stride, method, residuals, dy):
  x, kernel = residuals
  pads = _same_pads(x.shape, kernel.shape, stride)
  if method == "im2col":
    (dx,) = jax.vjp(lambda x: _im2col(x, kernel, stride), x)[1](dy)
  elif method == "blocks":
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    back = [(k - 1 - low, low) for k, (low, _) in zip(kernel.shape, pads)]
    dx = _blocks(dy, turned, back)
  else:
    dx = _to_input(dy, kernel, stride, x.shape)

  if kernel.shape[0] * kernel.shape[1] <= 9:
    return dx, _by_products(x, dy, kernel.shape, stride)
  # The sum runs over the batch, so the batch axis is used as channels:
  # [in, H, W, batch] by [h, w, batch, out] gives [in, kh, kw, out].
  dkernel = _conv(
    x.transpose(3, 1, 2, 0),
    dy.transpose(1, 2, 0, 3),
    [
      (low, (m - 1) * stride + k - n - low)
      for n, m, k, (low, _) in zip(
        x.shape[1:3], dy.shape[1:3], kernel.shape, pads
      )
    ],
    kernel_dilation=stride,
  )
  return dx, dkernel.transpose(1, 2, 0, 3)


def _to_input(dy, kernel, stride, shape):
  """The gradient to the input, as one convolution of stride 1.

  Entry s q + u is the sum of dy[q - t] * kernel[s t + u + low] over t, where s
  is the stride and low the padding before; each u below s is its own channel.
  The usual way, with zeros between the entries of dy, keeps XLA's CPU compiler
  from its fast kernels and takes stride^2 times as many products.
  """
  pads, padding, whole = [], [], []
  lows = [low for low, _ in _same_pads(shape, kernel.shape, stride)]
  for k, low in zip(kernel.shape, lows):
    first, last = -((low + stride - 1) // stride), (k - 1 - low) // stride
    before = -(stride * first + low)
    taps = last - first + 1
    pads.append((last, -first))
    padding.append((before, taps * stride - k - before))
    whole += [taps, stride]
  _, _, channels, out = kernel.shape
  kernel = jnp.pad(kernel, (*padding, (0, 0), (0, 0)))
  kernel = kernel.reshape(*whole, channels, out)
  kernel = jnp.flip(kernel, (0, 2)).transpose(0, 2, 5, 1, 3, 4)
  dx = _conv(dy, kernel.reshape(*whole[::2], out, -1), pads)
  batch, rows, columns, _ = dx.shape
  dx = dx.reshape(batch, rows, columns, stride, stride, channels)
  dx = dx.swapaxes(2, 3)
  dx = dx.reshape(batch, rows * stride, columns * stride, channels)
  return dx[:, : shape[1], : shape[2]]


def _by_products(x, dy, shape, stride):
  """The gradient to a small kernel, as one matrix product.

  Its entry i, j is the sum of x[s h + i - low, s w + j - left] * dy[h, w],
  where s is the stride, and low and left the padding before. With x shifted
  along the width and dy along the height, one product gives all entries and
  makes kh + kw copies, where im2col makes kh * kw. The batch is processed in
  chunks, so that the factors stay in the cache.
  """
  kh, kw, channels, out = shape
  batch, rows, width = dy.shape[:3]
  (low, _), (left, _) = _same_pads(x.shape, shape, stride)
  # a row s (h + t) + u of x meets row h of dy for t of these
  before, after = -(-low // stride), (kh - 1 - low) // stride
  taps = before + 1 + after
  right = (width - 1) * stride + kw - left - x.shape[2]
  pads = [(0, rows * stride - x.shape[1], 0), (left, right, 0)]
  size = batch * rows * width * (kw * stride * channels + taps * out)
  chunks = next(
    n
    for n in range(1, batch + 1)
    if batch % n == 0 and (n == batch or size <= n * _CACHED)
  )

  def product(x, dy):
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, [(0, 0, 0), *pads, (0, 0, 0)])
    x = [
      x[:, u::stride, j : j + (width - 1) * stride + 1 : stride]
      for j in range(kw)
      for u in range(stride)
    ]
    dy = jnp.pad(dy, ((0, 0), (after, before), (0, 0), (0, 0)))
    dy = [dy[:, t : t + rows] for t in reversed(range(taps))]
    x, dy = jnp.concatenate(x, -1), jnp.concatenate(dy, -1)
    return x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])

  if chunks == 1:
    gradient = product(x, dy)
  else:
    x, dy = (a.reshape(chunks, -1, *a.shape[1:]) for a in (x, dy))
    gradient, _ = lax.scan(
      lambda total, both: (total + product(*both), None),
      jnp.zeros((kw * stride * channels, taps * out), x.dtype),
      (x, dy),
    )
  gradient = gradient.reshape(kw, stride, channels, taps, out)
  gradient = gradient.transpose(3, 1, 0, 2, 4).reshape(-1, kw, channels, out)
  first = before * stride - low
  return gradient[first : first + kh]


conv.defvjp(_forward, _backward)
