"""An axis is mapped as a loop would be, whatever its length."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax.runtime import axes
from vfl_jax.runtime import threads


@pytest.mark.parametrize("how", ["vmap", "map"])
@pytest.mark.parametrize("length", [1, 3])
def test_over_is_a_loop(length, how):
  keys = jax.random.split(jax.random.key(0), length)
  x = jax.random.normal(jax.random.key(1), (length, 4, 2))
  shared = {"weight": jnp.arange(2.0)}

  def one(key, shared, nothing, x):
    drawn = jax.random.normal(key, x.shape)
    return {"key": key, "sum": (x * drawn).sum(0) + shared["weight"]}, 2.0

  mapped = axes.over(one, how, (0, None, 0, 0))
  found, constant = jax.jit(mapped)(keys, shared, (), x)
  assert found["key"].shape == constant.shape == (length,)
  for i in range(length):
    alone, _ = one(keys[i], shared, (), x[i])
    np.testing.assert_allclose(found["sum"][i], alone["sum"], atol=1e-6)
    assert found["key"][i] == keys[i]


def test_trees_of_uneven_length_are_refused():
  uneven = {"a": jnp.ones((1, 2)), "b": jnp.ones((5, 2))}
  with pytest.raises(ValueError, match="inconsistent sizes"):
    axes.over(lambda tree: tree["a"] + tree["b"], "vmap")(uneven)


def test_another_way_is_refused():
  with pytest.raises(ValueError, match="'vmap' or 'map', not 'loop'"):
    axes.over(lambda x: x, "loop")


@pytest.mark.parametrize("cores", [1, 4])
def test_some_at_a_time_give_what_each_gives_alone(monkeypatch, cores):
  monkeypatch.setattr(threads, "cores", lambda: cores)
  traced, here = [], threading.get_ident()
  two = threading.Barrier(2, timeout=60)  # both are there, or it breaks

  @jax.jit
  def program(x, y):
    traced.append(1)
    return {"sum": jnp.sum(jnp.sin(x) * y), "last": x[-1]}

  def arguments(item):
    if threading.get_ident() != here:
      two.wait()
    return np.float32(item + np.arange(50.0)), np.float32(item)

  found = threads.concurrently(program, arguments, range(20), most=8)
  assert len(traced) == 1
  for item, one in enumerate(found):
    expected = program(*arguments(item))
    jax.tree.map(np.testing.assert_array_equal, one, expected)


def test_one_that_fails_is_raised_and_what_follows_is_not_begun(monkeypatch):
  monkeypatch.setattr(threads, "cores", lambda: 2)
  begun = []

  def arguments(item):
    begun.append(item)
    if item == 3:
      raise ValueError("the third")
    time.sleep(0.01)
    return (np.float32(item),)

  program = jax.jit(lambda x: x + 1)
  with pytest.raises(ValueError, match="the third"):
    threads.concurrently(program, arguments, range(200), most=2)
  assert len(begun) < 50
