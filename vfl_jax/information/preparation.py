"""What estimators see of a layer: columns without units, rows in fair order.

Information depends neither on the units and offsets of columns nor on the order
of rows, so estimates must not either. Columns are scaled by their median and
median deviation, in float64, and stand beside a copy of their ranks, which
knows no outliers and no heavy tails. Constant columns, and columns that repeat
another one, are dropped.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from jaxtyping import Shaped
import numpy as np
from scipy import special

CLIP = 5.0  # deviations; what lies beyond is seen by its rank alone
_BLOCK = 512  # columns scaled at a time
_CONTINUOUS = 30  # values of a column from which equal rows are copies
_LARGEST = 50  # a group of copies has at most this fraction of the rows
_CONSISTENT = 0.95  # share of equal rows with equal targets


def scaled(
  layer: Shaped[np.ndarray, "n columns"],
) -> tuple[Float[np.ndarray, "n kept"], float]:
  """Columns in units of their own spread, and the share of cells far outside.

  The unit is 1.48 median deviations from the median, for a normal column its
  standard deviation; where more than half of the values are equal, 1.25 mean
  deviations. A layer without any varying column is one column of zeros.

  Args:
    layer: numbers of any units.

  >>> layer = np.array([[0.0, 7, 1e9], [1, 7, 2e9], [2, 7, 3e9]])
  >>> columns, outside = scaled(layer)
  >>> columns.shape, outside  # the constant and the repeated column are gone
  ((3, 1), 0.0)
  """
  parts, seen, outside, cells = [], set(), 0, 0
  for start in range(0, layer.shape[1], _BLOCK):
    block = np.asarray(layer[:, start : start + _BLOCK], np.float64)
    block = block - np.median(block, axis=0)
    distance = np.abs(block)
    unit = 1.4826 * np.median(distance, axis=0)
    unit = np.where(unit > 0, unit, 1.2533 * distance.mean(0))
    varies = unit > 0
    block = block[:, varies] / unit[varies]
    outside += int((np.abs(block) > CLIP).sum())
    cells += block.size
    block = block.astype(np.float32)
    new = []
    for column in block.T:
      content = np.ascontiguousarray(column).tobytes()
      new.append(content not in seen)
      seen.add(content)
    parts.append(block[:, np.array(new, bool)])
  columns = np.concatenate(parts, axis=1)
  if not columns.shape[1]:
    columns = np.zeros((len(layer), 1), np.float32)
  return columns, outside / max(cells, 1)


def ranked(
  columns: Float[np.ndarray, "n columns"],
) -> Float[np.ndarray, "n columns"]:
  """Normal scores of the ranks of each column; ties share the mean rank."""
  from scipy import stats

  ranks = stats.rankdata(columns, axis=0)
  return special.ndtri((ranks - 0.5) / len(columns)).astype(np.float32)


def with_ranks(
  columns: Float[np.ndarray, "n columns"],
) -> Float[np.ndarray, "n twice"]:
  """The columns, clipped, then their ranks."""
  return np.concatenate([clipped(columns), ranked(columns)], axis=1)


def clipped(
  columns: Float[np.ndarray, "n columns"],
) -> Float[np.ndarray, "n columns"]:
  """Values at most `CLIP` units away from zero."""
  return np.clip(columns, -CLIP, CLIP)


def copies(
  layers: Sequence[Shaped[np.ndarray, "n _"]], targets: Any
) -> np.ndarray:
  """Which rows are copies of each other, as a number per group, `[n]`.

  Rows are copies if they agree in all columns of all layers, of which at least
  two, and one of them continuous, and in their target. Where equal rows often
  differ in their target they are repeated values and no copies: then every row
  is alone. So it is in groups of more than a fiftieth of the rows, such as
  those that a layer of ReLUs maps to zero.

  Args:
    layers: features of the same rows.
    targets: labels `[n]` or values `[n, m]`.
  """
  n = len(layers[0])
  alone = np.arange(n)
  if sum(layer.shape[1] for layer in layers) < 2:
    return alone
  groups = _numbered(np.stack([_numbered(layer) for layer in layers], axis=1))
  counts = np.bincount(groups)
  if len(counts) == n:
    return alone
  widest = max(
    len(np.unique(column)) for layer in layers for column in layer.T[:_BLOCK]
  )
  if widest < _CONTINUOUS:
    return alone
  kinds = _numbered(np.asarray(targets).reshape(n, -1))
  pairs = np.unique(np.stack([groups, kinds]), axis=1)
  different = np.bincount(pairs[0], minlength=len(counts))
  repeated = (counts > 1) & (counts <= max(2, n // _LARGEST))
  if not repeated.any() or (different[repeated] == 1).mean() < _CONSISTENT:
    return alone
  return np.where(repeated[groups], groups, n + alone)


def _numbered(rows):
  """Equal rows get equal numbers, from 0 on."""
  rows = np.ascontiguousarray(rows)
  raw = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))
  return np.unique(raw.ravel(), return_inverse=True)[1].reshape(-1)


def order(
  generator: np.random.Generator, groups: np.ndarray, blocks: int
) -> np.ndarray:
  """Rows in random order, in so many equal blocks, copies in one of them.

  Args:
    generator: of the order.
    groups: from `copies`.
    blocks: number of blocks, one after another.

  Returns:
    Row numbers; with copies the largest blocks may lose a few.
  """
  n = len(groups)
  _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
  if len(counts) == n:
    return generator.permutation(n)
  members = np.split(np.argsort(index, kind="stable"), np.cumsum(counts)[:-1])
  filled: list[list[np.ndarray]] = [[] for _ in range(blocks)]
  sizes = np.zeros(blocks, int)
  # the largest groups first, each into the emptiest block
  for group in np.lexsort((generator.permutation(len(counts)), -counts)):
    block = int(np.argmin(sizes))
    filled[block].append(members[group])
    sizes[block] += counts[group]
  size = int(sizes.min())
  return np.concatenate(
    [generator.permutation(np.concatenate(part))[:size] for part in filled]
  )
