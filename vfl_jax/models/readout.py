"""Small networks that read out a representation: critics, linear maps."""

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.runtime import rng

# well separated classes need large weights in a linear map; the gain lets Adam,
# whose steps have a fixed size, reach them
LINEAR_GAIN = 5.0
FAMILIES = ("both", "linear", "mlp")


class _Read(nn.Module):
  """A linear map to few outputs with the kernel `[outputs, columns]`.

  XLA's CPU backend (jaxlib 0.10.2) takes eight times as long for the gradient
  of a kernel with few columns as for one with few rows.
  """

  outputs: int
  bias: bool = True

  @nn.compact
  def __call__(self, x):
    shape = self.outputs, x.shape[-1]
    y = x @ self.param("kernel", nn.initializers.zeros, shape).T
    if self.bias:
      y += self.param("bias", nn.initializers.zeros, (self.outputs,))
    return y


class Critic(nn.Module):
  """A linear map plus a perceptron (or one of them) that start near zero.

  The linear map learns fast and the perceptron learns the rest, so that one
  critic serves shallow and deep layers. The start is near zero and not at zero,
  because XLA's CPU backend miscompiles two products with constant zeros in one
  program (jaxlib 0.10.2: softmax(x @ 0 + h @ 0 + b) is off by more than 1).

  Attributes:
    outputs: size of the output.
    width: width of the perceptron's two hidden layers.
    family: one of `FAMILIES`.
  """

  outputs: int
  width: int = 64
  family: str = "both"

  @nn.compact
  def __call__(self, x):
    if self.family == "linear":
      return _Read(self.outputs, name="read")(LINEAR_GAIN * x)
    y = nn.relu(nn.Dense(self.width)(x))
    y = nn.relu(nn.Dense(self.width)(y))
    y = _Read(self.outputs, name="read")(y)
    if self.family == "mlp":
      return y
    return y + _Read(self.outputs, bias=False, name="skip")(LINEAR_GAIN * x)


def critic(outputs: int, width: int = 64, family: str = "both"):
  """A critic as a pair of functions.

  `init` draws on the host, because compiling a threefry program per tensor
  takes longer than the training: He normal, the last layers near 0.

  Args:
    outputs: size of the output.
    width: width of the hidden layers.
    family: one of `FAMILIES`, see `Critic`.

  Returns:
    `init(key, x) -> params` and `apply(params, x) -> [n, outputs]`.
  """
  module = Critic(outputs, width, family)

  @functools.lru_cache
  def shapes_for(columns):
    x = jax.ShapeDtypeStruct((2, columns), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), x)

  def init(key, x):
    shapes = shapes_for(x.shape[-1])
    generator = rng.generator(key)

    def draw(path, leaf):
      layer, name = path[-2].key, path[-1].key
      if name == "bias":
        return np.zeros(leaf.shape, np.float32)
      if layer in ("read", "skip"):
        drawn = generator.standard_normal(leaf.shape[::-1], np.float32)
        return np.float32(1e-4) * drawn.T
      scale = np.float32(np.sqrt(2 / leaf.shape[0]))
      return scale * generator.standard_normal(leaf.shape, np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)

  def apply(params: Any, x: jax.Array) -> jax.Array:
    return module.apply(params, x)  # pyright: ignore

  return init, apply
