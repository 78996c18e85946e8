"""Small networks everyone may use: heads and critics; features as vectors."""

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np

from vfl_jax import normalization
from vfl_jax import rng

DECAY = 0.9  # per batch, of batch normalisation's running averages


class BatchNorm(nn.Module):
  """Batch normalisation over all axes but the last, as flax's, faster.

  Variables have flax's names: params `scale` and `bias`, and batch_stats `mean`
  and `var`, which follow the batches' at a rate of .1.

  Attributes:
    affine: whether a scale and a shift per channel are learned.
  """

  affine: bool = True

  @nn.compact
  def __call__(self, x, train):
    channels = x.shape[-1:]
    kept = [
      self.variable("batch_stats", "mean", jnp.zeros, channels),
      self.variable("batch_stats", "var", jnp.ones, channels),
    ]
    scale, shift = jnp.ones(channels), jnp.zeros(channels)
    if self.affine:
      scale = self.param("scale", nn.initializers.ones, channels)
      shift = self.param("bias", nn.initializers.zeros, channels)
    if not train:
      return normalization.fixed(x, scale, shift, *(old.value for old in kept))
    if not self.is_initializing():
      # XLA computes them once for here and there
      moments = normalization.moments(jax.lax.stop_gradient(x))
      for old, new in zip(kept, moments, strict=True):
        old.value = DECAY * old.value + (1 - DECAY) * new
    return normalization.batch(x, scale, shift)


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
    norm = lambda x: BatchNorm()(x, train)
    if not self.depth:
      return nn.Dense(self.num_classes)(norm(x))
    for _ in range(self.depth - 1):
      x = nn.Dense(self.width)(nn.relu(norm(x)))
    return nn.Dense(self.num_classes)(nn.relu(norm(x)))


# so that Adam, whose steps are of one size, reaches the large weights that well
# separated classes need of a linear map
LINEAR_GAIN = 5.0
FAMILIES = ("both", "linear", "mlp")


class _Read(nn.Module):
  """A linear map to few outputs, its kernel `[outputs, columns]`.

  The gradient of a kernel with few columns takes XLA's CPU backend (jaxlib
  0.10.2) eight times as long as that of one with few rows.
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

  What is linear is learnt fast and what is not is learnt too, so that one
  critic serves shallow and deep layers. Near zero and not zero: two products
  with constant zeros in one program are miscompiled by XLA's CPU backend
  (jaxlib 0.10.2: softmax(x @ 0 + h @ 0 + b) is off by more than 1).
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


def head(num_classes: int, depth: int):
  """`(init, apply)` of a head; variables are `{"params", "stats"}`.

  `init(key, x) -> variables`; `apply(variables, x, train) -> (logits, stats)`.
  """
  module = Head(num_classes, depth)

  def init(key, x):
    shapes = jax.eval_shape(
      functools.partial(module.init, train=False), jax.random.key(0), x
    )
    drawn = _drawn(key, shapes)
    return {"params": drawn["params"], "stats": drawn["batch_stats"]}

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
    return _drawn(key, jax.eval_shape(module.init, jax.random.key(0), x))

  def apply(params: Any, x: jax.Array) -> jax.Array:
    return module.apply(params, x)  # pyright: ignore

  return init, apply


def _drawn(key, shapes):
  """Variables of a small net that compiled programs may draw.

  Kernels are normal, of the usual scale; what flax draws, cut off at two
  deviations, takes XLA's CPU backend half a second to compile for each.
  """

  def draw(path, leaf):
    name = path[-1].key
    if name == "kernel":
      own = rng.stream(key, jax.tree_util.keystr(path))
      return rng.normal(own, leaf.shape) * leaf.shape[0] ** -0.5
    one = name in ("scale", "var")
    return jnp.ones(leaf.shape) if one else jnp.zeros(leaf.shape)

  return jax.tree_util.tree_map_with_path(draw, shapes)


def critic(outputs: int, width: int = 64, family: str = "both"):
  """`(init, apply)` of a critic: `apply(params, x) -> [n, outputs]`.

  `init(key, x)` draws on the host (a threefry program per tensor costs more
  seconds to compile than the training): He normal, the last layers near 0.
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


def pooled(tree: Any) -> Float[jax.Array, "rows channels"] | None:
  """The spatial mean of a convolutional map; None for anything else."""
  leaves = jax.tree.leaves(tree)
  if len(leaves) == 1 and leaves[0].ndim == 4:
    return jnp.mean(leaves[0], axis=(1, 2))
  return None


def has_ids(tree: Any) -> bool:
  """Whether inputs hold ids, which cannot be mixed or perturbed."""
  return any(
    not jnp.issubdtype(leaf.dtype, jnp.floating)
    for leaf in jax.tree.leaves(tree)
  )
