"""Convolutions of several models side by side equal those of each alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import examples
from vfl_jax.models import convolution
from vfl_jax.models import convolution_accelerator

X, KERNEL, STRIDES = (2, 5, 4, 3), (3, 3, 3, 4), (1, 2)


def down(stride):
  return examples.normal(2, (2, -(-5 // stride), -(-4 // stride), 4))


def pulled(method, stride, x, kernel):
  """Output and gradients, and those of a function of the gradients."""
  how = functools.partial(convolution.conv, stride=stride, method=method)
  y, pull = jax.vjp(how, x, kernel)

  def length(x, kernel):
    gradients = jax.vjp(how, x, kernel)[1](jnp.sin(down(stride)))
    return sum((g * g).sum() for g in gradients)

  return y, *pull(down(stride)), *jax.grad(length, (0, 1))(x, kernel)


def agree(stride, mapped, x, kernel):
  found, right = (
    jax.jit(mapped(functools.partial(pulled, method, stride)))(x, kernel)
    for method in ("wide", "plain")
  )
  for a, b in zip(found, right, strict=True):
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("channels", [4, 8, 100])
def test_models_beside_each_other(stride, channels, monkeypatch):
  """In pieces of one, two or all; a seed axis around an axis of parties."""
  monkeypatch.setattr(convolution_accelerator, "CHANNELS", channels)
  convolution_accelerator._mapped.cache_clear()
  x, kernel = examples.normal(0, (3, *X)), examples.normal(1, (3, *KERNEL))
  agree(stride, jax.vmap, x, kernel)
  agree(
    stride,
    lambda f: jax.vmap(jax.vmap(f)),
    jnp.stack([x, x + 1]),
    jnp.stack([kernel, 2 * kernel]),
  )


@pytest.mark.parametrize("stride", STRIDES)
def test_one_model_alone_and_arguments_that_models_share(stride):
  x, kernel = examples.normal(0, X), examples.normal(1, KERNEL)
  agree(stride, lambda f: f, x, kernel)
  several = jnp.stack([kernel, -kernel, kernel + 1])
  agree(stride, lambda f: jax.vmap(f, (None, 0)), x, several)
  agree(stride, lambda f: jax.vmap(f, (0, None)), jnp.stack([x, -x]), kernel)
