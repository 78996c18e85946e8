"""What an accelerator prepares is what the host prepares."""

import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax.information import preparation
from vfl_jax.information import projection
from vfl_jax.information import projection_accelerator

N, WIDTH = 600, 8


@pytest.fixture(scope="module")
def layer():
  """Twelve directions of falling spread, units far apart, odd columns."""
  generator = np.random.default_rng(0)
  spread = 2.0 ** -np.arange(12)
  directions = np.linalg.qr(generator.standard_normal((700, 12)))[0].T
  layer = (generator.standard_normal((N, 12)) * spread) @ directions
  layer += 1e-4 * generator.standard_normal(layer.shape)
  layer[:, 4] = 7  # constant
  layer[:, 5] = np.where(generator.random(N) < 0.8, 0, layer[:, 5])
  layer[:, 6] = generator.standard_cauchy(N)
  layer *= 10.0 ** generator.integers(-3, 4, 700)
  layer[:, 3] = layer[:, 1]  # repeated
  return np.float32(layer)


def test_columns(layer):
  right, right_outside = preparation.scaled(layer)
  found, kept, outside = projection_accelerator.columns(jnp.asarray(layer))
  assert not kept[[3, 4]].any() and kept[[1, 5, 6]].all()
  assert not kept[700:].any()
  assert kept.sum() == right.shape[1]
  np.testing.assert_allclose(
    np.asarray(found)[:, kept], right, rtol=1e-5, atol=1e-6
  )
  assert outside == pytest.approx(right_outside)


def test_components_and_ranks(layer):
  """Components agree up to their sign, so ranks agree up to their order."""
  right = projection.reduce(layer, WIDTH)
  found = projection.reduce(jnp.asarray(layer), WIDTH)
  assert found[1:3] == right[1:3]
  np.testing.assert_allclose(found[3:], right[3:], rtol=1e-3)
  assert found.features.shape == right.features.shape
  for fold in range(len(right.features)):
    for column in range(2 * WIDTH):
      a, b = (f.features[fold, :, column] for f in (found, right))
      np.testing.assert_allclose(a * np.sign(a @ b), b, atol=0.02)


def test_few_columns_that_vary_are_not_projected(layer):
  few = np.where(np.arange(700) < WIDTH, layer, 1)
  right = projection.reduce(few, WIDTH)
  found = projection.reduce(jnp.asarray(few), WIDTH)
  for a, b in zip(found, right, strict=True):
    np.testing.assert_array_equal(a, b)
