"""How often chance alone decides comparisons that share an option."""

import numpy as np
import pandas as pd
import pytest

from vfl_jax.results.answers import chance
from vfl_jax.results.answers import verdicts

MARGINS = [verdicts.MARGINS[k] for k in ("utility", "leakage")]


def options(count, seeds=5, better=0.0, seed=0):
  """Options of one mean and spread; the first is better in both by `better`."""
  generator = np.random.default_rng(seed)
  values = generator.standard_normal((count, 2, seeds)) * [[0.005], [0.02]]
  values[0, 0] += better
  values[0, 1] -= better
  return {k: 0.5 + v for k, v in enumerate(values)}


def dominated(values):
  """As the study counts it."""

  def cell(v):
    return pd.Series(
      {"utilities": pd.Series(v[0]), "leakages": pd.Series(v[1])}
    )

  return sum(
    verdicts.verdict(cell(values[0]), cell(values[k]))["verdict"] == "dominates"
    for k in range(1, len(values))
  )


def test_one_against_many_equals_is_better_than_some_and_no_more_than_said():
  pairs = [(0, k) for k in range(1, 54)]
  counts, said = [], []
  for seed in range(40):
    values = options(54, seed=seed)
    counts.append(dominated(values))
    said.append(chance.most(pairs, values, MARGINS))
  assert max(counts) > 3  # a reader would take that for a result
  assert 2 <= np.median(said) <= 15
  # 5 % of 40 is 2; four standard errors of a binomial more
  assert np.sum(np.array(counts) > said) <= 2 + 4 * np.sqrt(40 * 0.05 * 0.95)


def test_the_count_is_that_of_the_verdicts():
  values = options(20, better=0.02, seed=3)
  left = np.stack(list(values.values()))
  gaps = left[:1] - left[1:]
  half = 2.776 * gaps.std(-1, ddof=1) / np.sqrt(5)
  found = chance._dominating(gaps.mean(-1), half, np.array(MARGINS))
  assert found == dominated(values) > 0


@pytest.mark.parametrize("seeds, pairs", [(1, [(0, 1)]), (5, [])])
def test_nothing_to_compare_is_nothing(seeds, pairs):
  assert chance.most(pairs, options(3, seeds=seeds), MARGINS) == 0


def test_means_are_clipped_and_not_seeds():
  """Noise around a leak of nothing is no leakage."""
  values = {
    name: pd.Series(
      {
        "utilities": pd.Series([0.9, 0.91, 0.92, 0.93]),
        "leakages": pd.Series(leakages),
      }
    )
    for name, leakages in (
      ("quiet", [-0.01, 0.01, -0.01, 0.01]),
      ("noisy", [-0.2, 0.2, -0.2, 0.2]),
      ("below", [-0.3, -0.1, -0.3, -0.1]),
    )
  }
  for a in values:
    for b in values:
      found = verdicts.verdict(values[a], values[b])
      assert found["leakage"] == pytest.approx(0)
