"""Every way to convolve agrees with XLA's own, in value and gradient."""

import functools

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import examples
from vfl_jax.models import convolution
from vfl_jax.models import convolution_cpu

SHAPES = [
  *((8, 4), (4, 2), (3, 9)),
  pytest.param(7, 5, marks=pytest.mark.numbers),
]


def plain(x, kernel, stride):
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    "SAME",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )


@functools.partial(jax.jit, static_argnums=(0, 1))
def pulled(method, stride, x, kernel, down):
  """Output and both gradients; those of XLA's own where no method is named."""
  how = functools.partial(convolution.conv, method=method) if method else plain
  y, pull = jax.vjp(lambda x, k: how(x, k, stride=stride), x, kernel)
  return y, *pull(down)


@pytest.mark.parametrize(
  "method, stride",
  [
    *((m, s) for m in ("canonical", "im2col", "auto") for s in (1, 2)),
    ("blocks", 1),
  ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("height, width", SHAPES)
def test_values_and_gradients(method, stride, size, height, width):
  x = examples.normal(0, (2, height, width, 3))
  kernel = examples.normal(1, (size, size, 3, 4))
  down = examples.normal(2, (2, -(-height // stride), -(-width // stride), 4))
  own = pulled(method, stride, x, kernel, down)
  xla = pulled("", stride, x, kernel, down)
  # float32 sums of at most 75 + 2 * 72 products in another order
  for a, b in zip(own, xla, strict=True):
    np.testing.assert_allclose(a, b, atol=3e-5)


@pytest.mark.parametrize("height, width", SHAPES)
def test_pooling(height, width):
  x = jnp.maximum(examples.normal(1, (2, height, width, 3)), 0)
  padded = jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
  windows = [padded[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
  np.testing.assert_allclose(convolution.pool(x, "max"), np.max(windows, 0))
  np.testing.assert_allclose(
    convolution.pool(x, "average"), np.mean(windows, 0), rtol=1e-6
  )
  assert convolution.pool(x, "none") is x


@pytest.mark.numbers
def test_gradients_of_a_batch_in_parts(monkeypatch):
  """What does not fit the cache comes a few rows at a time, also row by row."""
  x, kernel = examples.normal(0, (6, 5, 4, 3)), examples.normal(1, (3, 3, 3, 2))
  y, pull = jax.vjp(lambda k: convolution.conv(x, k, 1, "canonical"), kernel)
  g = examples.normal(2, y.shape)
  (whole,) = pull(g)
  one_row = (5 + 2) * 4 * 3 * (3 + 2)
  for room in (0, one_row, 2 * one_row, 4 * one_row):  # 6, 6, 3 and 2 parts
    monkeypatch.setattr(convolution_cpu, "_CACHED", room)
    _, pull = jax.vjp(lambda k: convolution.conv(x, k, 1, "canonical"), kernel)
    # float32 sums of 120 products in another order
    np.testing.assert_allclose(pull(g)[0], whole, atol=1e-5)


@pytest.mark.parametrize(
  "stride, method, words", [(1, "fast", "'fast'"), (2, "blocks", "stride 1")]
)
def test_unknown_method_is_refused(stride, method, words):
  with pytest.raises(ValueError, match=words):
    convolution.conv(
      jnp.zeros((1, 2, 2, 1)), jnp.zeros((3, 3, 1, 1)), stride, method
    )
