"""A perceptron as a pair of pure functions."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from vfl_jax.runtime import rng


class Perceptron(nn.Module):
  """Dense layers with ReLU between them, and nothing else."""

  outputs: int
  hidden: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, x):
    for width in self.hidden:
      x = nn.relu(nn.Dense(width)(x))
    return nn.Dense(self.outputs)(x)


def perceptron(outputs: int, hidden: tuple[int, ...] = ()):
  """`(init, apply)` of a plain one: `apply(params, x) -> [n, outputs]`.

  Both are pure and can be traced, `init(key, x)` too.
  """
  module = Perceptron(outputs, hidden)

  def init(key, x):
    return drawn(key, jax.eval_shape(module.init, jax.random.key(0), x))

  def apply(params: Any, x: jax.Array) -> jax.Array:
    return module.apply(params, x)  # pyright: ignore

  return init, apply


def drawn(key, shapes):
  """Variables of a small net that compiled programs may draw.

  Kernels are normal, of the usual scale; what flax draws, cut off at two
  deviations, takes XLA's CPU backend half a second to compile for each.
  """

  def draw(path, leaf):
    name = path[-1].key
    if name == "kernel":
      leaf_key = rng.stream(key, jax.tree_util.keystr(path))
      return rng.normal(leaf_key, leaf.shape) * leaf.shape[0] ** -0.5
    one = name in ("scale", "var")
    return jnp.ones(leaf.shape) if one else jnp.zeros(leaf.shape)

  return jax.tree_util.tree_map_with_path(draw, shapes)
