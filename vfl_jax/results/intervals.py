"""Intervals of means."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats


def interval(values: Sequence[float]) -> tuple[float, float, float]:
  """Mean and 95 % Student t interval over seeds; NaN bounds for one seed.

  >>> [round(v, 3) for v in interval([1.0, 2.0, 3.0])]
  [2.0, -0.484, 4.484]
  """
  from scipy import stats

  array = np.asarray(values, float)
  mean = float(array.mean())
  if len(array) < 2:
    return mean, float("nan"), float("nan")
  error = array.std(ddof=1) / np.sqrt(len(array))
  half = float(stats.t.ppf(0.975, len(array) - 1) * error)
  return mean, mean - half, mean + half


def spread(values: pd.Series) -> float:
  """Half-width of the 95 % t interval over seeds; 0 for one seed."""
  n = len(values)
  if n < 2:
    return 0.0
  error = float(values.std(ddof=1)) / np.sqrt(n)
  return float(stats.t.ppf(0.975, n - 1)) * error


def half_width(values: pd.Series) -> float:
  """Of the 95 % Student t interval of a mean; NaN for one value."""
  if len(values) < 2:
    return float("nan")
  error = float(values.std()) / len(values) ** 0.5
  return float(stats.t.ppf(0.975, len(values) - 1)) * error


def over_folds(values):
  n = len(values)
  if n < 2:
    return float("nan")
  error = float(np.std(values, ddof=1)) / np.sqrt(n)
  return float(stats.t.ppf(0.975, n - 1)) * error
