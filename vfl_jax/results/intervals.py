"""Intervals of means; their width is decided only here."""

from collections.abc import Sequence
from typing import Any

import numpy as np

NORMAL = 1.96  # half-width in standard errors, over many samples


def half_width(values: Any, share: float = 0.95) -> float:
  """Half-width of the Student t interval of a mean, over seeds or folds.

  Args:
    values: one value per seed, shape [n]; seeds count as independent.
    share: confidence level, the share of samples whose interval contains the
      true mean.

  Returns:
    Half the width; NaN for fewer than two values, since one seed allows no
    interval.

  >>> round(half_width([1.0, 2.0, 3.0]), 3), half_width([1.0])
  (2.484, nan)
  """
  array = np.asarray(values, float)
  n = len(array)
  if n < 2:
    return float("nan")
  return quantile(n, share) * float(array.std(ddof=1) / np.sqrt(n))


def quantile(n: int, share: float = 0.95) -> float:
  """Standard errors from the mean of n values to the end of its interval.

  >>> round(quantile(3), 3)
  4.303
  """
  from scipy import stats

  return float(stats.t.ppf((1 + share) / 2, n - 1))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
  """Mean, lower and upper end of its 95 % Student t interval.

  The ends are NaN for a single value.

  >>> [round(v, 3) for v in interval([1.0, 2.0, 3.0])]
  [2.0, -0.484, 4.484]
  """
  mean, half = float(np.mean(np.asarray(values, float))), half_width(values)
  return mean, mean - half, mean + half


def at_once(n: int, count: int) -> float:
  """Factor by which to widen intervals so that all hold at once (Bonferroni).

  Args:
    n: number of values in each mean.
    count: number of intervals that the reported one was picked from.
  """
  from scipy import stats

  rule = stats.t(n - 1)
  return float(rule.ppf(1 - 0.025 / count) / rule.ppf(0.975))
