"""Less of the cut gradients: fewer elements, levels, or none of a row's own."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms


def compression(
  *, share: float = 0.25, over: Literal["batch", "row"] = "batch"
) -> base.Defense:
  """Only the largest elements, exactly so many of them; the rest are zero.

  Args:
    share: of the elements that are kept (Fu et al.: .75, .5, .25, .1).
    over: the elements of the whole batch compete (Fu et al.), or those of each
      row.

  Raises:
    ValueError: a share outside (0, 1].

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
  """The largest elements of gradient plus what of it was not sent before.

  Args:
    share: of the elements of a batch that are sent.
    residual: what was not sent is added to the next gradient of the same "row"
      of the data; public code adds it to whatever row has the same "position"
      in the next batch; or it is dropped ("none").

  Raises:
    ValueError: a share outside (0, 1].

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
  """Elements rounded to multiples of 2 * bound / bins ("multistep").

  Args:
    bound: of the levels, in units of the gradient (Fu et al.: .03, and .001
      on Criteo).
    bins: between -bound and bound (Fu et al.: 6 to 24).
    clip: elements beyond the bound become the bound; public code lets them be
      larger multiples.

  Raises:
    ValueError: a bound that is not positive, or bins not even and positive
      (zero and both bounds are levels).

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
  """The sign of every element, times one size.

  Args:
    size: of all elements; 0 takes the mean size of those of the batch, so that
      learning rates keep their meaning.

  Raises:
    ValueError: a negative size.

  Source: Bernstein et al. 2018, "signSGD".
  """
  bounds.within("sign", "size", size, 0, math.inf)

  def signed(g):
    return jnp.sign(g) * (size or jnp.abs(g).mean())

  return base.Defense(
    gradient=transforms.plain(signed), adaptive=("direction", "direct")
  )


def average() -> base.Defense:
  """Every row gets the mean of its batch: nothing of its own comes down.

  What a batch has in common still does, and bottoms still learn a little.
  """

  def mean(g):
    return jnp.broadcast_to(g.mean(0), g.shape)

  return base.Defense(
    gradient=transforms.plain(mean),
    adaptive=("hint", adaptive.COMPLETION),
  )


def largest(size: jax.Array, count: int) -> jax.Array:
  """Which `count` elements of each row are the largest, `[n, d]` of bool.

  Exactly so many: of equal ones the first. The bound is found bit by bit, as
  floats that are not negative are ordered as their bits are; a sort takes ten
  times as long.
  """
  bits = jax.lax.bitcast_convert_type(size.astype(jnp.float32), jnp.uint32)
  ones = jnp.ones((size.shape[1], 1), jnp.float32)

  def unsettled(carry):
    i, _, passing = carry
    return (i < 31) & jnp.any(passing != count)

  def narrower(carry):
    i, bound, passing = carry
    higher = bound | (jnp.uint32(1) << (30 - i).astype(jnp.uint32))
    # a product counts in half the time of a sum, exactly up to 2^24
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
  # where every bit is settled and still too many pass, some are equal
  return jax.lax.while_loop(
    lambda carry: jnp.any(carry[1] > count),
    lambda carry: (_firsts(bits, bound, count), jnp.zeros_like(passing)),
    (bits >= bound, passing),
  )[0]


def _firsts(bits: jax.Array, bound: jax.Array, count: int) -> jax.Array:
  """Those above the bound, and of those on it the first ones."""
  more, equal = bits > bound, (bits == bound).astype(jnp.float32)
  room = count - jnp.sum(more.astype(jnp.float32), 1, keepdims=True)
  return more | ((equal > 0) & (_running(equal) <= room))


def _running(numbers: jax.Array) -> jax.Array:
  """Cumulative sums along rows, by products of blocks: those are vectorised."""
  n, d = numbers.shape
  side = 128
  padded = jnp.pad(numbers, ((0, 0), (0, -d % side))).reshape(n, -1, side)
  within = padded @ jnp.triu(jnp.ones((side, side), numbers.dtype))
  before = jnp.cumsum(within[:, :, -1], axis=1) - within[:, :, -1]
  return (within + before[:, :, None]).reshape(n, -1)[:, :d]
