"""Marvell: noise shaped so that two classes of gradients look alike.

The gradients of each class are modelled as an isotropic Gaussian. The noise of
each class has one variance along the difference of the class means and one
across it, chosen to minimise the symmetric divergence of what is sent.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool
from jaxtyping import Float
import optax

from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms
from vfl_jax.runtime import rng

_GRID = 17  # points per axis of the grid, which shrinks in every round
_ROUNDS = 9
_MEMORY = 0.98  # decay of the running mean that is reported


class Statistics(NamedTuple):
  """Statistics of the gradients of a batch.

  Attributes:
    share: share of the positive class.
    gap: squared distance of the class means.
    spread: variance per element of the negative and the positive class.
    width: number of elements of a row.
  """

  share: jax.Array
  gap: jax.Array
  spread: tuple[jax.Array, jax.Array]
  width: int


class Noise(NamedTuple):
  """Variances of the noise: negative and positive class.

  Attributes:
    along: variance along the difference of the class means, at least `across`.
    across: variance in every other direction.
  """

  along: tuple[jax.Array, jax.Array]
  across: tuple[jax.Array, jax.Array]


class MarvellState(NamedTuple):
  """The key of the next step and the running mean divergence of each party.

  `weight` is the total weight in that running mean.
  """

  key: jax.Array
  divergence: jax.Array
  weight: jax.Array


def marvell(*, strength: float = 1.0) -> base.Defense:
  """Adds noise of power `strength` * |difference of the class means|^2.

  Two classes only. The report has the divergence (sumKL) of what was sent and
  the bound on an attack's AUC that follows from it if the gradients are
  Gaussian, as the defence assumes.

  Args:
    strength: s in the paper, .1 to 25.

  Raises:
    ValueError: `strength` is negative.

  Source: Li et al. 2022, section 4.2, theorems 1 and 2.
  """
  bounds.within("marvell", "strength", strength, 0, float("inf"))
  if not strength:
    return base.Defense()

  def init(start):
    zeros = jnp.zeros(len(start.messages))
    key = jax.random.key_data(start.key)
    return MarvellState(key, zeros, jnp.zeros(()))

  def update(sent, state, params=None, *, labels, **extra):
    del params, extra
    positive = labels[:, 1] > labels[:, 0]
    key, after = transforms.following(transforms.KeyState(state.key))
    noisy_messages, sums = [], []
    for party, message in enumerate(sent):
      g, back = transforms.rows(message)
      noisy, divergence = _sent(rng.fold_in(key, party), g, positive, strength)
      noisy_messages.append(back(noisy))
      sums.append(divergence)
    both = jnp.any(positive) & jnp.any(~positive)
    blend = jnp.where(both, 1 - _MEMORY, 0.0)
    return tuple(noisy_messages), MarvellState(
      after.key,
      (1 - blend) * state.divergence + blend * jnp.stack(sums),
      (1 - blend) * state.weight + blend,
    )

  def report(state):
    divergence = state.divergence / jnp.maximum(state.weight[..., None], 1e-9)
    return {"sumKL": divergence, "AUC bound": auc_bound(divergence)}

  return base.Defense(
    gradient=optax.GradientTransformationExtraArgs(init, update),
    reads=True,
    check=_two_classes,
    report=report,
    adaptive=("norm", "direction", "hint"),
  )


def statistics(
  g: Float[jax.Array, "rows width"], positive: Bool[jax.Array, " rows"]
) -> tuple[Statistics, tuple]:
  """Statistics of the gradients of a batch, and the two class means.

  Args:
    g: gradients.
    positive: whether each row is of the positive class.

  Source: Li et al. 2022, section 4.2: the spread of a class is its mean
  squared distance from its mean, per element.
  """
  means, spreads = [], []
  for member in (~positive, positive):
    weight = member[:, None] / jnp.maximum(member.sum(), 1)
    mean = (weight * g).sum(0)
    means.append(mean)
    spreads.append((weight * (g - mean) ** 2).sum() / g.shape[1])
  gap = ((means[1] - means[0]) ** 2).sum()
  share = positive.mean()
  return Statistics(share, gap, tuple(spreads), g.shape[1]), tuple(means)


def divergence(about: Statistics, noise: Noise) -> Any:
  """Symmetric Kullback-Leibler divergence (sumKL, nats) of what is sent."""
  u, v = about.spread
  a0, a1 = noise.along[0] + u, noise.along[1] + v
  c0, c1 = noise.across[0] + u, noise.across[1] + v
  # a/b + b/a - 2, written without cancellation
  across = (about.width - 1) * (c0 - c1) ** 2 / (c0 * c1)
  along = (a0 - a1) ** 2 / (a0 * a1) + about.gap * (1 / a0 + 1 / a1)
  return 0.5 * (across + along)


def power(about: Statistics, noise: Noise) -> Any:
  """Expected squared norm of the noise on a row."""
  of = [
    along + (about.width - 1) * across
    for along, across in zip(noise.along, noise.across, strict=True)
  ]
  return (1 - about.share) * of[0] + about.share * of[1]


def solve(about: Statistics, allowed: jax.Array) -> Noise:
  """The noise of at most the allowed power with the least divergence.

  All the power is spent. Only the class with the smaller spread gets noise
  across the difference of the means, because more of it on both classes only
  costs power. Two unknowns remain: that noise, and how the rest of the power
  is split. A grid over both shrinks in every round around the best point.

  Args:
    about: statistics of the gradients.
    allowed: largest expected squared norm of the noise on a row.

  Returns:
    Variances; zeros where a class is missing or the class means are equal.
  """
  u, v = about.spread
  swap = u > v  # makes the first class the one with the smaller spread
  share = jnp.where(swap, about.share, 1 - about.share)
  share = jnp.clip(share, 1e-6, 1 - 1e-6)
  low, high = jnp.minimum(u, v), jnp.maximum(u, v)
  tiny = 1e-12 * (about.gap + high) + 1e-37
  d = about.width
  # noise across is limited by the power and by the point of equal spreads
  most = jnp.minimum(allowed / (share * d), high - low) if d > 1 else 0.0

  def noise(x, y):
    """The noise at points of the unit square."""
    # not quite all the power: the split of a rest of zero would not matter
    across = x * (1 - 1e-4) * most
    rest = allowed - share * d * across  # what is spent on the first class
    rest = jnp.maximum(rest, 0.0)
    return Noise(
      (across + y * rest / share, (1 - y) * rest / (1 - share)),
      (across, jnp.zeros_like(across)),
    )

  ordered = about._replace(spread=(low + tiny, high + tiny))

  def value(x, y):
    return divergence(ordered, noise(x, y))

  steps = jnp.linspace(-1.0, 1.0, _GRID)

  def closer(i, carry):
    x, y, size = carry
    xs = jnp.clip(x + size * steps, 0, 1)
    ys = jnp.clip(y + size * steps, 0, 1)
    values = value(xs[:, None], ys[None, :])
    values = jnp.where(jnp.isfinite(values), values, jnp.inf)
    best = jnp.argmin(values)
    return xs[best // _GRID], ys[best % _GRID], size * 0.3

  x, y, _ = jax.lax.fori_loop(
    0,
    _ROUNDS,
    closer,
    (jnp.float32(0.5), jnp.float32(0.5), jnp.float32(0.5)),
  )
  optimum = noise(x, y)
  solvable = (about.share > 0) & (about.share < 1) & (about.gap > 0)

  def placed(pair):
    a, b = (jnp.where(solvable, variance, 0.0) for variance in pair)
    return jnp.where(swap, b, a), jnp.where(swap, a, b)

  return Noise(placed(optimum.along), placed(optimum.across))


def auc_bound(
  divergence: Float[jax.Array, "*shape"],
) -> Float[jax.Array, "*shape"]:
  """The largest AUC of any attack on messages with this sumKL, at most 1.

  Source: Li et al. 2022, theorem 1.
  """
  sum_kl = jnp.clip(divergence, 0.0, 4.0)
  return 0.5 + jnp.sqrt(sum_kl) / 2 - sum_kl / 8


def _sent(key, g, positive, strength):
  about, means = statistics(g, positive)
  noise = solve(about, strength * about.gap)
  one, many = rng.split(key)
  pick = lambda pair: jnp.where(positive, pair[1], pair[0])[:, None]
  along, across = pick(noise.along), pick(noise.across)
  unit = (means[1] - means[0]) / jnp.sqrt(jnp.maximum(about.gap, 1e-37))
  extra = jnp.sqrt(jnp.maximum(along - across, 0.0))
  noisy = (
    g
    + extra * rng.normal(one, (len(g), 1)) * unit
    + jnp.sqrt(across) * rng.normal(many, g.shape)
  )
  u, v = about.spread
  tiny = 1e-12 * (about.gap + u + v) + 1e-37
  there = about._replace(spread=(u + tiny, v + tiny))
  return noisy, divergence(there, noise)


def _two_classes(num_classes, kind):
  del kind
  if num_classes != 2:
    raise ValueError(
      f"defence 'marvell' is for two classes, and there are {num_classes}; "
      "take max_norm, isotropic or gaussian, or task.name='merge'."
    )
