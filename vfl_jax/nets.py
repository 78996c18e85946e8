"""Small networks everyone may use: heads and critics; features as vectors."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np


class Head(nn.Module):
  """A completion head from a bottom's output to the classes.

  Depth 0 is batch-norm-linear; depth d >= 1 is d units of batch-norm-ReLU-
  linear, the published completion layer being d=1.
  """

  num_classes: int
  depth: int = 1
  width: int = 64

  @nn.compact
  def __call__(self, x, train):
    norm = lambda x: nn.BatchNorm(use_running_average=not train, momentum=0.9)(
      x
    )
    if not self.depth:
      return nn.Dense(self.num_classes)(norm(x))
    for _ in range(self.depth - 1):
      x = nn.Dense(self.width)(nn.relu(norm(x)))
    return nn.Dense(self.num_classes)(nn.relu(norm(x)))


class Critic(nn.Module):
  """A linear map plus a perceptron whose last layers start near zero.

  What is linear is learnt fast and what is not is learnt too, so that one
  critic serves shallow and deep layers. Near zero and not zero: two products
  with constant zeros in one program are miscompiled by XLA's CPU backend
  (jaxlib 0.10.2: softmax(x @ 0 + h @ 0 + b) is off by more than 1).
  """

  outputs: int
  width: int = 64

  @nn.compact
  def __call__(self, x):
    y = nn.relu(nn.Dense(self.width)(x))
    y = nn.relu(nn.Dense(self.width)(y))
    small = nn.initializers.normal(1e-4)
    return nn.Dense(self.outputs, kernel_init=small)(y) + nn.Dense(
      self.outputs, kernel_init=small, use_bias=False
    )(x)


def head(num_classes: int, depth: int):
  """`(init, apply)` of a head; variables are `{"params", "stats"}`.

  `init(key, x) -> variables`; `apply(variables, x, train) -> (logits, stats)`.
  """
  module = Head(num_classes, depth)

  def init(key, x):
    collections = module.init(key, x, train=False)
    return {
      "params": collections["params"],
      "stats": collections["batch_stats"],
    }

  def apply(variables, x, train):
    collections = {
      "params": variables["params"],
      "batch_stats": variables["stats"],
    }
    if not train:
      return module.apply(collections, x, train=False), variables["stats"]
    logits, updates = module.apply(
      collections, x, train=True, mutable=["batch_stats"]
    )
    return logits, updates["batch_stats"]

  return init, apply


def critic(outputs: int, width: int = 64):
  """`(init, apply)` of a critic: `apply(params, x) -> [n, outputs]`."""
  module = Critic(outputs, width)

  def apply(params: Any, x: jax.Array) -> jax.Array:
    return module.apply(params, x)  # pyright: ignore

  return module.init, apply


def vectors(tree: Any, vocabulary: int = 0) -> Float[jax.Array, "rows width"]:
  """What a layer puts out as one float vector per row, `[n, d]`.

  Float leaves are flattened; integer leaves (ids) are counted per row, a
  column per id of the vocabulary.
  """
  parts = []
  for leaf in jax.tree.leaves(tree):
    if jnp.issubdtype(leaf.dtype, jnp.floating):
      parts.append(leaf.reshape(leaf.shape[0], -1))
    elif leaf.shape[1]:
      rows = np.arange(leaf.shape[0])[:, None]
      counts = jnp.zeros((leaf.shape[0], vocabulary), jnp.float32)
      parts.append(counts.at[rows, leaf].add(1.0))
  return jnp.concatenate(parts, axis=1)


def has_ids(tree: Any) -> bool:
  """Whether inputs hold ids, which cannot be mixed or perturbed."""
  return any(
    not jnp.issubdtype(leaf.dtype, jnp.floating)
    for leaf in jax.tree.leaves(tree)
  )
