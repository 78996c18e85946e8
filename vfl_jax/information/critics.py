"""Critics f(t, y): what a variational bound scores pairs with.

Both give the scores of the pairs at hand and of pairs that stand for the
product of marginals. A label-indexed critic has one output per class, so the
mean over the marginal of Y is exact from one forward pass; a concatenated one
reads both variables side by side, as in the papers, and meets the marginal by
pairing each t with the y of other samples.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vfl_jax.models import readout

PAIRINGS = 16  # other samples that a sample is paired with
KINDS = ("labels", "concatenated")


class Scores(NamedTuple):
  """Critic values of a batch.

  Attributes:
    joint: `[n]`, of the pairs as they are.
    crossed: `[n, m]`, of each t with m values of y.
    log_weights: `[m]` or `[n, m]`, their log probabilities.
  """

  joint: jax.Array
  crossed: jax.Array
  log_weights: jax.Array

  def log_ratio(self) -> jax.Array:
    """log E_y[exp f(t, y)] for every t, `[n]`."""
    return jax.nn.logsumexp(self.crossed + self.log_weights, axis=-1)


class Critic(NamedTuple):
  """Functions of a critic.

  Attributes:
    init: `init(key, t, y) -> params`.
    scores: `scores(params, t, y, prior) -> Scores` against the marginal of y.
    paired: `paired(params, t, y, size) -> Scores` of each sample against
      `size` samples of the batch, itself among them, equally weighted.
    logits: `logits(params, t) -> [n, classes]`; None for continuous targets.
  """

  init: Callable[..., Any]
  scores: Callable[..., Scores]
  paired: Callable[..., Scores]
  logits: Callable[..., jax.Array] | None


def build(kind: str, num_classes: int | None, width: int) -> Critic:
  """The critic of a kind, for labels or (classes None) for float targets.

  Raises:
    ValueError: unknown kind, or "labels" for targets without classes.
  """
  kind = kind or ("labels" if num_classes else "concatenated")
  if kind not in KINDS:
    raise ValueError(f"critic is {kind!r}; take one of {', '.join(KINDS)}.")
  if kind == "concatenated":
    return _concatenated(num_classes, width)
  if not num_classes:
    raise ValueError(
      "critic 'labels' has an output per class and needs integer targets; "
      "take 'concatenated' for float ones."
    )
  return _labels(num_classes, width)


def _labels(num_classes, width):
  init, apply = readout.critic(num_classes, width)

  def own(f, y):
    return jnp.take_along_axis(f, y[:, None], 1)[:, 0]

  def scores(params, t, y, prior):
    f = apply(params, t)
    return Scores(own(f, y), f, jnp.log(prior))

  def paired(params, t, y, size):
    # by counting the classes of blocks: no dearer than one forward pass
    n = len(t)
    size = min(size, n)
    blocks = -(-n // size)
    members = (jnp.arange(blocks * size) % n).reshape(blocks, size)
    shares = jax.nn.one_hot(y[members], num_classes).mean(1)
    own_block = jnp.arange(n) // size
    f = apply(params, t)
    return Scores(own(f, y), f, jnp.log(shares + 1e-30)[own_block])

  return Critic(lambda key, t, y: init(key, t), scores, paired, apply)


def _concatenated(num_classes, width):
  init, apply = readout.critic(1, width)

  def vectors(y):
    return jax.nn.one_hot(y, num_classes) if num_classes else y

  def value(params, t, y):  # t last, where its columns may be padded
    return apply(params, jnp.concatenate([y, t], -1))[..., 0]

  def against(params, t, y, count, itself):
    y = vectors(y)
    joint = value(params, t, y)
    rolled = [jnp.roll(y, s, axis=0) for s in _shifts(len(t), count)]
    crossed = [joint] * itself + [value(params, t, other) for other in rolled]
    weights = jnp.full(len(crossed), -jnp.log(len(crossed)))
    return Scores(joint, jnp.stack(crossed, 1), weights)

  def scores(params, t, y, prior):
    del prior
    return against(params, t, y, PAIRINGS, itself=False)

  def paired(params, t, y, size):
    return against(params, t, y, size - 1, itself=True)

  def logits(params, t):
    every = jnp.eye(num_classes)

    def of_class(y):
      return value(params, t, jnp.broadcast_to(y, (len(t), num_classes)))

    return jax.lax.map(of_class, every).T

  return Critic(
    lambda key, t, y: init(key, jnp.concatenate([vectors(y), t], -1)),
    scores,
    paired,
    logits if num_classes else None,
  )


def _shifts(n: int, count: int) -> list[int]:
  """Rotations of a batch, spread so that neighbours are not favoured."""
  count = max(1, min(count, n - 1))
  return [1 + i * (n - 1) // count for i in range(count)]
