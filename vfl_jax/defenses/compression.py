"""Reduce the cut gradients: fewer elements, fewer levels, or batch means."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Bool
from jaxtyping import Float
import optax

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms


def compression(
  *, share: float = 0.25, over: Literal["batch", "row"] = "batch"
) -> base.Defense:
  """Keeps exactly the given share of largest elements; the rest are zero.

  Args:
    share: share of the elements that are kept (Fu et al.: .75, .5, .25, .1).
    over: whether the largest elements are chosen in the whole "batch" (Fu et
      al.) or in each "row".

  Raises:
    ValueError: `share` is outside (0, 1].

  Source: Fu et al. 2022, section 6.
  """
  bounds.share("compression", share)
  if share == 1:
    return base.Defense()

  def kept(g):
    flat = g if over == "row" else g.reshape(1, -1)
    count = max(1, round(share * flat.shape[1]))
    return jnp.where(largest(jnp.abs(flat), count), flat, 0.0).reshape(g.shape)

  return base.Defense(
    gradient=transforms.plain(kept), adaptive=("direct", "hint")
  )


def sparsification(
  *,
  share: float = 0.25,
  residual: Literal["row", "position", "none"] = "row",
) -> base.Defense:
  """Sends the largest elements of the gradient plus its unsent residual.

  Args:
    share: share of the elements of a batch that are sent.
    residual: what happens to elements that were not sent. "row" adds them to
      the next gradient of the same row of the data. "position", as in public
      code, adds them to the row at the same position in the next batch. "none"
      drops them.

  Raises:
    ValueError: `share` is outside (0, 1].

  Source: Aji and Heafield 2017, as in public VFL code.
  """
  bounds.share("sparsification", share)
  if share == 1:
    return base.Defense()

  def init(start):
    height = (lambda n: start.total) if residual == "row" else (lambda n: n)
    return tuple(
      jax.tree.map(lambda a: jnp.zeros((height(len(a)), *a.shape[1:])), message)
      for message in start.messages
    )

  def update(sent, state, params=None, *, rows, **extra):
    del params, extra
    compressed, left = [], []
    for message, before in zip(sent, state, strict=True):
      owed = before
      if residual == "row":
        owed = jax.tree.map(lambda a: a[rows], before)
      whole = jax.tree.map(jnp.add, message, owed)
      matrix, back = transforms.rows(whole)
      count = max(1, round(share * matrix.size))
      flat = matrix.reshape(1, -1)
      kept = largest(jnp.abs(flat), count).reshape(matrix.shape)
      compressed.append(back(jnp.where(kept, matrix, 0.0)))
      rest = back(jnp.where(kept, 0.0, matrix))
      if residual == "row":
        rest = jax.tree.map(lambda a, r: a.at[rows].set(r), before, rest)
      elif residual == "none":
        rest = before
      left.append(rest)
    return tuple(compressed), tuple(left)

  return base.Defense(
    gradient=optax.GradientTransformationExtraArgs(init, update),
    adaptive=("direct", "hint"),
  )


def discrete(
  *, bound: float = 0.03, bins: int = 12, clip: bool = True
) -> base.Defense:
  """Rounds elements to multiples of 2 * bound / bins ("multistep").

  Args:
    bound: largest level, in units of the gradient (Fu et al.: .03, and .001
      on Criteo).
    bins: number of bins between -bound and bound (Fu et al.: 6 to 24).
    clip: whether elements beyond the bound are set to the bound; public code
      lets them be larger multiples.

  Raises:
    ValueError: `bound` is not positive, or `bins` is not even and positive
      (zero and both bounds must be levels).

  Source: Dryden et al. 2016, as in Fu et al. 2022, section 6 ("DiscreteSGD").
  """
  bounds.above("discrete", "bound", bound)
  if bins < 2 or bins % 2:
    raise ValueError(
      f"defence 'discrete': bins is {bins}; take an even number from 2, so "
      "that zero and both bounds are levels."
    )
  step = 2 * bound / bins

  def rounded(g):
    g = jnp.clip(g, -bound, bound) if clip else g
    return jnp.round(g / step) * step

  return base.Defense(gradient=transforms.plain(rounded), adaptive=("hint",))


def sign(*, size: float = 0.0) -> base.Defense:
  """Sends the sign of every element, times one common size.

  Args:
    size: size of all elements; 0 is the mean absolute value over the batch, so
      that learning rates keep their meaning.

  Raises:
    ValueError: `size` is negative.

  Source: Bernstein et al. 2018, "signSGD".
  """
  bounds.within("sign", "size", size, 0, math.inf)

  def signed(g):
    return jnp.sign(g) * (size or jnp.abs(g).mean())

  return base.Defense(
    gradient=transforms.plain(signed), adaptive=("direction", "direct")
  )


def average() -> base.Defense:
  """Sends every row the mean gradient of its batch.

  No information about a single row comes down. What the rows of a batch have
  in common does, so bottoms still learn a little.
  """

  def mean(g):
    return jnp.broadcast_to(g.mean(0), g.shape)

  return base.Defense(
    gradient=transforms.plain(mean),
    adaptive=("hint", adaptive.COMPLETION),
  )


def largest(
  size: Float[jax.Array, "rows width"], count: int
) -> Bool[jax.Array, "rows width"]:
  """Which `count` elements of each row are the largest.

  Exactly `count` are chosen; among equal elements, the first ones. The bound
  is found bit by bit, because non-negative floats are ordered as their bits
  are. A sort takes ten times as long.

  Args:
    size: non-negative numbers.
    count: number of elements to choose in each row.
  """
  bits = jax.lax.bitcast_convert_type(size.astype(jnp.float32), jnp.uint32)
  ones = jnp.ones((size.shape[1], 1), jnp.float32)

  def unsettled(carry):
    i, _, passing = carry
    return (i < 31) & jnp.any(passing != count)

  def narrower(carry):
    i, bound, passing = carry
    higher = bound | (jnp.uint32(1) << (30 - i).astype(jnp.uint32))
    # a product counts twice as fast as a sum, and is exact up to 2^24
    reaching = (bits >= higher).astype(jnp.float32) @ ones
    enough = reaching >= count
    return (
      i + 1,
      jnp.where(enough, higher, bound),
      jnp.where(enough, reaching, passing),
    )

  start = jnp.zeros((len(size), 1), jnp.uint32)
  everything = jnp.full((len(size), 1), float(size.shape[1]), jnp.float32)
  _, bound, passing = jax.lax.while_loop(
    unsettled, narrower, (jnp.int32(0), start, everything)
  )
  # if every bit is settled and still too many pass, some elements are equal
  return jax.lax.while_loop(
    lambda carry: jnp.any(carry[1] > count),
    lambda carry: (_firsts(bits, bound, count), jnp.zeros_like(passing)),
    (bits >= bound, passing),
  )[0]


def _firsts(bits: jax.Array, bound: jax.Array, count: int) -> jax.Array:
  """The elements above the bound, and the first ones equal to it."""
  more, equal = bits > bound, (bits == bound).astype(jnp.float32)
  room = count - jnp.sum(more.astype(jnp.float32), 1, keepdims=True)
  return more | ((equal > 0) & (_running(equal) <= room))


def _running(numbers: jax.Array) -> jax.Array:
  """Cumulative sums along rows, by products of blocks, which are vectorised."""
  n, d = numbers.shape
  side = 128
  padded = jnp.pad(numbers, ((0, 0), (0, -d % side))).reshape(n, -1, side)
  within = padded @ jnp.triu(jnp.ones((side, side), numbers.dtype))
  before = jnp.cumsum(within[:, :, -1], axis=1) - within[:, :, -1]
  return (within + before[:, :, None]).reshape(n, -1)[:, :d]
