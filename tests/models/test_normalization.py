"""Batch normalisation against flax's, whose gradient JAX derives."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import examples
from vfl_jax.models import normalization
from vfl_jax.models import normalization_cpu

pytestmark = pytest.mark.numbers


def both(affine, shape, offset):
  x = 2 * examples.normal(0, shape) + offset
  weights = examples.normal(1, shape)
  variables = {
    "params": {
      "scale": jnp.linspace(0.5, 2, shape[-1]),
      "bias": jnp.linspace(-1, 1, shape[-1]),
    },
    "batch_stats": {
      "mean": jnp.full(shape[-1], 0.3),
      "var": jnp.full(shape[-1], 2.0),
    },
  }
  if not affine:
    variables["params"] = {}

  def theirs(variables, x, train):
    module = nn.BatchNorm(
      use_running_average=not train,
      momentum=0.9,
      use_bias=affine,
      use_scale=affine,
    )
    return module.apply(variables, x, mutable=["batch_stats"])

  def ours(variables, x, train):
    module = normalization.BatchNorm(affine=affine)
    return module.apply(variables, x, train, mutable=["batch_stats"])

  return ours, theirs, variables, x, weights


def close(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
    # E[x^2] - E[x]^2 loses (offset / deviation)^2 = 25 roundings of 6e-8, and
    # as many again where sums are taken in another order
    scale = float(jnp.abs(other).max()) + 1e-6
    np.testing.assert_allclose(one / scale, other / scale, atol=2e-5)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("offset", [0.0, 10.0])
@pytest.mark.parametrize("shape", [(16, 5), (8, 4, 3, 6)])
def test_values_statistics_and_gradients_are_flax(shape, offset, affine, train):
  ours, theirs, variables, x, weights = both(affine, shape, offset)

  def results(apply):
    def loss(params, x):
      y, stats = apply({**variables, "params": params}, x, train)
      return jnp.sum(weights * jnp.tanh(y)), (y, stats)

    gradient = jax.value_and_grad(loss, (0, 1), has_aux=True)
    return jax.jit(gradient)(variables["params"], x)

  close(results(ours), results(theirs))


def test_a_gradient_of_a_gradient():
  """As an attack takes it that matches gradients."""
  ours, theirs, variables, x, weights = both(True, (16, 5), 0.0)

  def squared(apply):
    def inner(params, x):
      return jnp.sum(
        weights * apply({**variables, "params": params}, x, True)[0]
      )

    def outer(x):
      gradient = jax.grad(inner)(variables["params"], x)
      return sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient))

    return jax.jit(jax.grad(outer))(x)

  close(squared(ours), squared(theirs))


@pytest.mark.parametrize("constant", [0.0, 3.0, 1000.0])
def test_a_constant_channel_teaches_nothing(constant):
  """Or Adam would make large steps of what rounding leaves."""
  ours, _, variables, x, weights = both(True, (128, 5), 0.0)
  x = x.at[:, 0].set(constant)

  def loss(params, x):
    y = ours({**variables, "params": params}, x, True)[0]
    return jnp.mean(weights * y)

  params, to_x = jax.jit(jax.grad(loss, (0, 1)))(variables["params"], x)
  assert abs(float(params["scale"][0])) < 1e-7
  assert jnp.isfinite(to_x).all()


def test_the_gradient_by_hand_equals_the_derived_one():
  """Whichever of the two a backend takes."""
  x, weights = examples.normal(0, (8, 4, 3, 6)), examples.normal(1, (6,))
  loss = lambda f: lambda x, s, b: jnp.sum(jnp.sin(f(x, s, b)))
  both = [
    jax.value_and_grad(loss(f), argnums=(0, 1, 2))(x, weights, 2 * weights)
    for f in (normalization_cpu.batch, normalization.batch)
  ]
  # sums of 96 numbers around 1, in another order: a hundred roundings of 6e-8
  # each, and ten times as many in what is divided by a deviation
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *both
  )


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_statistics_are_float32_whatever_the_input_is(backend, monkeypatch):
  """In bfloat16 the variance around a mean of 100 would be lost."""
  monkeypatch.setattr(jax, "default_backend", lambda: backend)
  x = (100 + 2 * examples.normal(0, (4096, 3))).astype(jnp.bfloat16)
  module = normalization.BatchNorm()
  variables = module.init(jax.random.key(0), x, True)

  def run(x):
    y, changed = module.apply(variables, x, True, mutable=["batch_stats"])
    return y, changed["batch_stats"]

  y, stats = run(x)
  whole = np.asarray(x, np.float64)
  expected = 0.9 + 0.1 * whole.var(0)
  np.testing.assert_allclose(stats["var"], expected, rtol=2e-2)
  assert stats["var"].dtype == jnp.float32 and y.dtype == jnp.bfloat16
  gradient = jax.grad(lambda x: jnp.sum(run(x)[0].astype(jnp.float32) ** 2))(x)
  assert gradient.dtype == jnp.bfloat16
