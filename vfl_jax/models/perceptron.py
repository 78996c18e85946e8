"""A perceptron as a pair of pure functions."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from vfl_jax.runtime import rng


class Perceptron(nn.Module):
  """Dense layers with ReLU between them.

  Attributes:
    outputs: size of the output.
    hidden: widths of the hidden layers.
  """

  outputs: int
  hidden: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, x):
    for width in self.hidden:
      x = nn.relu(nn.Dense(width)(x))
    return nn.Dense(self.outputs)(x)


def perceptron(outputs: int, hidden: tuple[int, ...] = ()):
  """A plain perceptron as a pair of pure functions, which can be traced.

  Args:
    outputs: size of the output.
    hidden: widths of the hidden layers.

  Returns:
    `init(key, x) -> params` and `apply(params, x) -> [n, outputs]`.
  """
  module = Perceptron(outputs, hidden)

  def init(key, x):
    return drawn(key, jax.eval_shape(module.init, jax.random.key(0), x))

  def apply(params: Any, x: jax.Array) -> jax.Array:
    return module.apply(params, x)  # pyright: ignore

  return init, apply


def drawn(key, shapes):
  """Draws the variables of a small net, also inside a compiled program.

  Kernels are normal with variance 1 / inputs. flax's truncated normal would
  take XLA's CPU backend half a second to compile for each kernel.

  Args:
    key: random key.
    shapes: tree of the variables' shapes, named as flax names them.
  """

  def draw(path, leaf):
    name = path[-1].key
    if name == "kernel":
      leaf_key = rng.stream(key, jax.tree_util.keystr(path))
      return rng.normal(leaf_key, leaf.shape) * leaf.shape[0] ** -0.5
    one = name in ("scale", "var")
    return jnp.ones(leaf.shape) if one else jnp.zeros(leaf.shape)

  return jax.tree_util.tree_map_with_path(draw, shapes)
