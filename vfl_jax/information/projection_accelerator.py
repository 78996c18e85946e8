"""Preparation and projection of a wide layer where it is, on an accelerator.

The columns of `projection.reduce`, which the host needs many seconds for: a
network's layers have thousands of columns, and every one of them is sorted
twice. Columns are scaled in float32, which is exact enough for layers that come
as float32: the median is one of their own values, and a difference is rounded
once.
"""

import functools
from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Bool
from jaxtyping import Float
from jaxtyping import Integer
from jaxtyping import UInt32
import numpy as np

from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import preparation

_SPARE = 10  # directions that are iterated beyond those that are kept
_ITERATIONS = 4
_NARROWEST = 512  # layers are filled up with zeros to this or twice it, ...


class Scaled(NamedTuple):
  """Columns in units of their own spread, see `preparation.scaled`.

  Attributes:
    columns: zeros where a column does not vary.
    varies: whether it does.
    content: a fingerprint of each column, two numbers.
    outside: cells of each column that lie far outside.
  """

  columns: Float[Array, "n columns"]
  varies: Bool[Array, " columns"]
  content: UInt32[Array, "2 columns"]
  outside: Integer[Array, " columns"]


def columns(
  layer: Float[Array, "n columns"],
) -> tuple[Float[Array, "n filled"], np.ndarray, float]:
  """The scaled columns, which of them are kept, and the share far outside.

  Args:
    layer: rows of any units, on a device.

  Returns:
    The columns, with zeros after the last one so that a few compiled programs
    serve all layers; whether each varies and does not repeat an earlier one;
    and the share of cells that `preparation.clipped` changes.
  """
  n, width = layer.shape
  filled = max(_NARROWEST, 1 << (width - 1).bit_length())
  weights = np.random.default_rng(0).integers(0, 2**32, (2, n), np.uint32) | 1
  found = _scaled(jnp.pad(layer, ((0, 0), (0, filled - width))), weights)
  varies, content = np.asarray(found.varies), np.asarray(found.content)
  _, first = np.unique(content, axis=1, return_index=True)
  kept = varies & np.isin(np.arange(filled), first)
  outside = int(np.asarray(found.outside)[varies].sum())
  return found.columns, kept, outside / max(n * int(varies.sum()), 1)


@jax.jit
def _scaled(layer, weights):
  def middle(x):
    low, high = (len(x) - 1) // 2, len(x) // 2
    return (x[low] + x[high]) / 2

  moved = layer - middle(jnp.sort(layer, axis=0))
  distance = jnp.abs(moved)
  unit = 1.4826 * middle(jnp.sort(distance, axis=0))
  unit = jnp.where(unit > 0, unit, 1.2533 * distance.mean(0))
  varies = unit > 0
  scaled = jnp.where(varies, moved / jnp.where(varies, unit, 1), 0)
  bits = lax.bitcast_convert_type(scaled, jnp.uint32)
  content = jnp.stack([(bits * w[:, None]).sum(0) for w in weights])
  outside = (jnp.abs(scaled) > preparation.CLIP).sum(0)
  return Scaled(scaled, varies, content, outside)


def project(
  scaled: Float[Array, "n columns"], kept: np.ndarray, width: int, folds: int
) -> tuple[np.ndarray, float]:
  """Prepared principal components of each fold's fitting rows.

  By subspace iteration: as many steps as the host's randomised SVD takes.

  Args:
    scaled: from `columns`.
    kept: which columns count.
    width: number of components.
    folds: number of folds.

  Returns:
    The components in units of their spread, clipped, then their ranks,
    `[folds, n, 2 * width]` (fewer where rows are fewer), and the mean share of
    the fitting rows' variance in them.
  """
  fitting = np.stack(
    [information_fitting.parts(len(scaled), fold)[0] for fold in range(folds)]
  )
  width = min(width, fitting.shape[1] - 1)
  drawn = np.random.default_rng(0).standard_normal(
    (scaled.shape[1], width + _SPARE), np.float32
  )
  features, share = _components(scaled, kept, fitting, drawn, width)
  return np.asarray(features), float(np.mean(share))


@functools.partial(jax.jit, static_argnums=4)
def _components(scaled, kept, fitting, drawn, width):
  clip = preparation.CLIP
  rows = jnp.where(kept, jnp.clip(scaled, -clip, clip), 0)

  def one(fitting):
    part = rows[fitting]
    mean = part.mean(0)
    part = part - mean
    base = jnp.linalg.qr(part @ drawn)[0]
    for _ in range(_ITERATIONS):
      base = jnp.linalg.qr(part.T @ base)[0]
      base = jnp.linalg.qr(part @ base)[0]
    reached = base.T @ part
    values, turn = jnp.linalg.eigh(reached @ reached.T)
    # ascending, so the last ones lead
    values, turn = values[::-1][:width], turn[:, ::-1][:, :width]
    lengths = jnp.sqrt(jnp.maximum(values, 1e-30))
    scores = (rows - mean) @ (reached.T @ turn / lengths)
    share = values.sum() / jnp.maximum(jnp.square(part).sum(), 1e-30)
    return _with_ranks(_even(scores)), share

  with jax.default_matmul_precision("float32"):
    return lax.map(one, fitting)


def _even(scores):
  """Components in units of their own spread."""
  spread = scores.std(0)
  return (scores - scores.mean(0)) / jnp.where(spread > 0, spread, 1)


def _with_ranks(columns):
  """`preparation.with_ranks`."""

  def rank(column):
    ordered = jnp.sort(column)
    below, upto = (
      jnp.searchsorted(ordered, column, side=side) for side in ("left", "right")
    )
    return (below + upto + 1) / 2

  ranks = jax.vmap(rank, 1, 1)(columns)
  scores = jax.scipy.special.ndtri((ranks - 0.5) / len(columns))
  clip = preparation.CLIP
  return jnp.concatenate([jnp.clip(columns, -clip, clip), scores], axis=1)
