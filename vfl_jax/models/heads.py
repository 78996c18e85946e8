"""Heads that complete a bottom: from embeddings to the classes."""

import functools

from flax import linen as nn
import jax

from vfl_jax.models import normalization
from vfl_jax.models import perceptron


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
    norm = lambda x: normalization.BatchNorm()(x, train)
    if not self.depth:
      return nn.Dense(self.num_classes)(norm(x))
    for _ in range(self.depth - 1):
      x = nn.Dense(self.width)(nn.relu(norm(x)))
    return nn.Dense(self.num_classes)(nn.relu(norm(x)))


def head(num_classes: int, depth: int):
  """`(init, apply)` of a head; variables are `{"params", "stats"}`.

  `init(key, x) -> variables`; `apply(variables, x, train) -> (logits, stats)`.
  """
  module = Head(num_classes, depth)

  def init(key, x):
    shapes = jax.eval_shape(
      functools.partial(module.init, train=False), jax.random.key(0), x
    )
    drawn = perceptron.drawn(key, shapes)
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
