"""An axis is mapped as a loop would be, whatever its length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax import mapping


@pytest.mark.parametrize("how", ["vmap", "map"])
@pytest.mark.parametrize("length", [1, 3])
def test_over_is_a_loop(length, how):
  keys = jax.random.split(jax.random.key(0), length)
  x = jax.random.normal(jax.random.key(1), (length, 4, 2))
  shared = {"weight": jnp.arange(2.0)}

  def one(key, shared, nothing, x):
    drawn = jax.random.normal(key, x.shape)
    return {"key": key, "sum": (x * drawn).sum(0) + shared["weight"]}, 2.0

  mapped = mapping.over(one, how, (0, None, 0, 0))
  found, constant = jax.jit(mapped)(keys, shared, (), x)
  assert found["key"].shape == constant.shape == (length,)
  for i in range(length):
    alone, _ = one(keys[i], shared, (), x[i])
    np.testing.assert_allclose(found["sum"][i], alone["sum"], atol=1e-6)
    assert found["key"][i] == keys[i]


def test_trees_of_uneven_length_are_refused():
  uneven = {"a": jnp.ones((1, 2)), "b": jnp.ones((5, 2))}
  with pytest.raises(ValueError, match="inconsistent sizes"):
    mapping.over(lambda tree: tree["a"] + tree["b"], "vmap")(uneven)


def test_another_way_is_refused():
  with pytest.raises(ValueError, match="'vmap' or 'map', not 'loop'"):
    mapping.over(lambda x: x, "loop")
