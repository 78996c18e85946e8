"""Estimators without training: nearest neighbours and counting."""

import numpy as np
from scipy import special

from vfl_jax.information import base as information_base

# share of a layer's extent beyond which a neighbour is no longer near
REACH = 0.5
_EXACT = 4  # columns beyond which distances come of products
_SAME = 1e-7  # of a distance: no difference
_AT_ONCE = 2**23  # distances held at a time


def neighbors(
  num_classes: int | None, *, k: int = 3
) -> information_base.Direct:
  """Nearest neighbours; for labels Ross's estimator, else Kraskov's first.

  It sees the ranks of columns; ties are counted, see `_counted`. A ball that
  holds k of m samples evenly spread in d columns reaches over (k / m)^(1/d) of
  their extent, m being the samples of a class on average; beyond `REACH` that
  is no neighbourhood, and a warning goes with the number. (Layers near fewer
  dimensions than columns are better off than it says.)

  Args:
    num_classes: of integer targets, or None for float targets.
    k: neighbours.

  Raises:
    ValueError: k below 1, or for float targets not below n.

  Source: Ross 2014; Kraskov, Stoegbauer and Grassberger 2004, algorithm 1;
  reach: Hastie, Tibshirani and Friedman 2009, section 2.5.
  """
  if k < 1:
    raise ValueError(f"neighbors: k is {k}; it must be at least 1.")

  def influence(t, y):
    t = np.asarray(t, np.float64)
    if num_classes:
      return _ross(t, y, k)
    return _kraskov(t, np.asarray(y, np.float64).reshape(len(y), -1), k)

  def reason(t, y):
    if not num_classes:
      t = np.hstack([t, y.reshape(len(y), -1)])
    elif (rarest := np.bincount(y)[np.unique(y)].min()) <= k:
      return f"a class is too rare: {rarest} samples for {k} neighbours"
    width = int((t.std(0) > 0).sum())
    reach = (k / (len(t) / (num_classes or 1))) ** (1 / max(width, 1))
    if reach > REACH:
      return (
        f"n too small: in {width} columns a neighbour is {reach:.0%} of the "
        "layer away"
      )
    return ""

  return information_base.Direct(influence, reason)


def copula(num_classes: int | None) -> information_base.Direct:
  """Canonical correlations of normal scores, for float targets.

  I = -1/2 sum log(1 - rho^2), less its bias for Gaussian samples. What is left
  after a monotone map of every column is taken to be Gaussian: exact there,
  blind to dependence without correlation.

  Args:
    num_classes: None.

  Raises:
    ValueError: integer targets.

  Source: Ince et al. 2017; bias: Goodman 1963.
  """
  if num_classes:
    raise ValueError(
      "copula is for float targets; take 'classifier' or 'neighbors' for "
      "labels."
    )

  def influence(t, y):
    n = len(t)
    if reason(t, y):
      return np.full(n, np.nan)
    bases = [_basis(special.ndtri(_ranks(part) / (n + 1))) for part in (t, y)]
    left, rho, right = np.linalg.svd(bases[0].T @ bases[1])
    rho = np.minimum(rho, 1 - 1e-12)
    a, b = (
      np.sqrt(n) * base @ turn[:, : len(rho)]
      for base, turn in zip(bases, (left, right.T), strict=True)
    )
    quadratic = rho**2 * (a**2 + b**2) - 2 * rho * a * b
    pointwise = -0.5 * (np.log1p(-(rho**2)) + quadratic / (1 - rho**2))
    widths = [base.shape[1] for base in bases]
    volumes = [
      special.digamma((n - np.arange(1, d + 1)) / 2).sum()
      for d in (*widths, sum(widths))
    ]
    bias = 0.5 * (volumes[0] + volumes[1] - volumes[2])
    return pointwise.sum(1) - bias

  def reason(t, y):
    columns = t.shape[1] + y.reshape(len(y), -1).shape[1]
    if columns > len(t) // 2:
      return f"too many columns: {columns}, more than half of {len(t)} samples"
    return ""

  return information_base.Direct(influence, reason)


def _ranks(columns):
  from scipy import stats

  columns = columns.reshape(len(columns), -1)
  return stats.rankdata(columns, axis=0)


def _basis(columns):
  """An orthonormal basis of centred columns, without the empty directions."""
  left, sizes, _ = np.linalg.svd(columns - columns.mean(0), full_matrices=False)
  return left[:, sizes > 1e-6 * max(sizes[0], 1e-12)]


def plugin(num_classes: int | None) -> information_base.Direct:
  """Counts of discrete T and Y, with the Miller-Madow correction.

  I = H(T) + H(Y) - H(T,Y), each entropy raised by (cells - 1) / (2 n).

  Args:
    num_classes: of the targets.

  Raises:
    ValueError: float targets.

  Source: Miller 1955; Paninski 2003.
  """
  if not num_classes:
    raise ValueError(
      "plugin counts labels; take 'neighbors' for float targets."
    )

  def influence(t, y):
    n = len(y)
    if reason(t, y):
      return np.full(n, np.nan)
    rows = _codes(t)
    pairs = _codes(np.stack([rows, y], 1))
    counts = [np.bincount(c) for c in (rows, y, pairs)]
    log_p = [np.log(c[i] / n) for c, i in zip(counts, (rows, y, pairs))]
    cells = [np.count_nonzero(c) - 1 for c in counts]
    correction = (cells[0] + cells[1] - cells[2]) / (2 * n)
    return log_p[2] - log_p[0] - log_p[1] + correction

  def reason(t, y):
    cells = len(np.unique(t, axis=0)) * len(np.unique(y))
    if cells > len(y):
      return (
        f"too many cells: {cells} of (T, Y), not fewer than the {len(y)} "
        "samples"
      )
    return ""

  return information_base.Direct(influence, reason)


def _codes(rows):
  return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def _ross(t, y, k):
  """Ross's estimator, with ties counted."""
  n, counts = len(y), np.bincount(y)
  used = np.flatnonzero(counts[y] > 1)  # a class of one sample has no neighbour
  t, y = t[used], y[used]
  near = np.minimum(k, counts[y] - 1)
  values = np.empty(len(y))
  for rows, distance in _distances(t, t.shape[1] > _EXACT):
    same = np.where(y[rows][:, None] == y, distance, np.inf)
    values[rows] = (
      special.digamma(len(y))
      - special.digamma(counts[y[rows]])
      + _counted(same, [distance], near[rows])
    )
  filled = np.full(n, values.mean())
  filled[used] = values
  return filled


def _kraskov(t, y, k):
  """Kraskov's first estimator, with ties counted."""
  from scipy.spatial import distance

  if k >= len(t):
    raise ValueError(
      f"neighbors: k is {k}; it must be below the {len(t)} samples."
    )
  values = np.empty(len(t))
  for rows in _chunks(len(t)):
    apart = []
    for part in (t, y):
      gaps = distance.cdist(part[rows], part, "chebyshev")
      gaps[np.arange(len(rows)), rows] = np.inf  # not of itself
      apart.append(gaps)
    values[rows] = special.digamma(len(t)) + _counted(
      np.maximum(*apart), apart, np.full(len(rows), k)
    )
  return values


def _counted(joint, parts, near):
  """Digamma of the neighbours in the joint space, less those in each part.

  The ball around a row reaches to the neighbour of that number and leaves it
  out, as Kraskov and Ross have it. Where others are exactly as far in some
  part, as discrete values are, all of the closed ball are counted instead, and
  the logs of the parts are taken, as Gao has it.

  Args:
    joint: distances `[rows, n]`, infinite where there is no neighbour.
    parts: distances in each part.
    near: the number of the neighbour, `[rows]`.

  Source: Gao et al. 2017, algorithm 1.
  """
  ranked = np.partition(joint, np.unique(near - 1), axis=1)
  radius = ranked[np.arange(len(near)), near - 1][:, None]
  inside, reach = radius * (1 - _SAME), radius * (1 + _SAME) + _SAME
  within = (joint <= reach).sum(1)
  closed = np.stack([(part <= reach).sum(1) for part in parts])
  opened = np.stack([(part < inside).sum(1) for part in parts])
  # of continuous values only that one neighbour is exactly as far
  ties = (within > near) | ((closed - opened).sum(0) > 1)
  around = np.where(ties, np.log(closed + 1.0), special.digamma(opened + 1.0))
  # equal rows are a cell of a table, which the row itself is in
  together = np.where(radius[:, 0] <= _SAME, within + 1, within)
  return special.digamma(np.where(ties, together, near)) - around.sum(0)


def _distances(t, fast):
  """Rows, some at a time, with their distances to all; not to themselves."""
  from scipy.spatial import distance
  from sklearn.metrics import pairwise

  measure = pairwise.euclidean_distances if fast else distance.cdist
  for rows in _chunks(len(t)):
    gaps = measure(t[rows], t)
    gaps[np.arange(len(rows)), rows] = np.inf
    yield rows, gaps


def _chunks(n):
  return np.array_split(np.arange(n), max(1, -(-n * n // _AT_ONCE)))
