"""Heads that complete a bottom model: from its embeddings to the classes."""

import functools

from flax import linen as nn
import jax

from vfl_jax.models import normalization
from vfl_jax.models import perceptron


class Head(nn.Module):
  """A completion head from a bottom model's output to the classes.

  Attributes:
    num_classes: size of the output.
    depth: 0 is batch-norm-linear; d >= 1 is d units of batch-norm-ReLU-linear.
      The published completion layer has depth 1.
    width: width of the hidden units.
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
  """A completion head as a pair of pure functions.

  Args:
    num_classes: size of the output.
    depth: number of units, see `Head`.

  Returns:
    `init(key, x) -> variables`, which are `{"params", "stats"}`, and
    `apply(variables, x, train) -> (logits, stats)`.
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
