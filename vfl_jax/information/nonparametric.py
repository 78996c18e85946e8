"""Estimators without training: nearest neighbours and counting."""

import numpy as np
from scipy import special

from vfl_jax.information import base as information_base

# share of a layer's extent beyond which a neighbour is no longer near
REACH = 0.5
_TREE = 16  # columns up to which a tree counts neighbours


def neighbors(
  num_classes: int | None, *, k: int = 3
) -> information_base.Direct:
  """Nearest neighbours; for labels Ross's estimator, else Kraskov's first.

  Columns are standardised. A ball that holds k of m samples evenly spread in
  d columns reaches over (k / m)^(1/d) of their extent, m being the samples of
  a class on average; beyond `REACH` that is no neighbourhood, and a warning
  goes with the number. (Layers near fewer dimensions than columns are better
  off than it says.)

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
    t = _scaled(t)
    return _ross(t, y, k) if num_classes else _kraskov(t, _scaled(y), k)

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


def _scaled(t):
  """Standardised, with a trace of noise so that there are no ties."""
  t = np.asarray(t, np.float64)
  t = t.reshape(len(t), -1)
  t = (t - t.mean(0)) / np.where(t.std(0) > 0, t.std(0), 1.0)
  return t + 1e-10 * np.random.default_rng(0).standard_normal(t.shape)


def _ross(t, y, k):
  from sklearn import neighbors as library

  n = len(y)
  radius, near, counts = np.zeros(n), np.zeros(n), np.zeros(n)
  for label in np.unique(y):
    members = np.flatnonzero(y == label)
    counts[members] = len(members)
    if len(members) < 2:
      continue
    near[members] = min(k, len(members) - 1)
    search = library.NearestNeighbors(n_neighbors=int(near[members[0]]))
    distance, _ = search.fit(t[members]).kneighbors()
    radius[members] = np.nextafter(distance[:, -1], 0)
  used = counts > 1  # a class of one sample has no neighbour to be near to
  within = _within(t[used], radius[used])
  values = (
    special.digamma(used.sum())
    + special.digamma(near[used])
    - special.digamma(counts[used])
    - special.digamma(within)
  )
  filled = np.full(n, values.mean())
  filled[used] = values
  return filled


def _within(t, radius):
  """How many rows lie within the radius of each row, itself included."""
  from sklearn import metrics
  from sklearn import neighbors as library

  if t.shape[1] <= _TREE:
    return library.KDTree(t).query_radius(t, radius, count_only=True)

  # a tree of many columns is slower than all distances, which are rounded:
  # a little less keeps the neighbour that made the radius outside of it
  def counted(distances, start):
    ours = radius[start : start + len(distances), None]
    return (distances <= ours * (1 - 1e-7)).sum(1)

  parts = metrics.pairwise_distances_chunked(t, reduce_func=counted)
  return np.concatenate(list(parts))


def _kraskov(t, y, k):
  from sklearn import neighbors as library

  if k >= len(t):
    raise ValueError(
      f"neighbors: k is {k}; it must be below the {len(t)} samples."
    )
  both = np.hstack([t, y])
  search = library.NearestNeighbors(metric="chebyshev", n_neighbors=k)
  radius = np.nextafter(search.fit(both).kneighbors()[0][:, -1], 0)
  around = [
    library.KDTree(part, metric="chebyshev").query_radius(
      part, radius, count_only=True
    )
    for part in (t, y)
  ]
  return (
    special.digamma(len(t))
    + special.digamma(k)
    - special.digamma(around[0])
    - special.digamma(around[1])
  )
