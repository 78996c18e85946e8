"""How many comparisons look decided although all options are equal.

One option that is compared with fifty others shares its luck with all of these
comparisons: by chance alone it is better than several.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from vfl_jax.results import intervals

DRAWS = 400


def most(
  pairs: Sequence[tuple[Hashable, Hashable]],
  values: Mapping[Hashable, np.ndarray],
  margins: Sequence[float],
  seed: int = 0,
) -> int:
  """The 95th percentile of how often the first of a pair dominates by chance.

  All options get the same means. What is left of each (its deviations by seed,
  of utility and leakage together) is dealt out anew among the options, with a
  random sign for each seed.

  Args:
    pairs: keys of the options that are compared.
    values: for each option utility and leakage by seed, `[2, seeds]`, the same
      seeds for all.
    margins: losses of utility and leakage below which there is none.
    seed: of the draws.
  """
  keys = list(values)
  place = {key: k for k, key in enumerate(keys)}
  left = np.stack([values[key] for key in keys])
  left = left - left.mean(-1, keepdims=True)
  n = left.shape[-1]
  if n < 2 or not pairs:
    return 0
  left = left * np.sqrt(n / (n - 1))  # what centring has taken
  first, second = np.array([[place[a], place[b]] for a, b in pairs]).T
  generator = np.random.default_rng(seed)
  counts = []
  for _ in range(DRAWS):
    signs = generator.choice([-1.0, 1.0], (len(keys), 1, n))
    dealt = signs * left[generator.permutation(len(keys))]
    gaps = dealt[first] - dealt[second]
    mean = gaps.mean(-1)
    half = intervals.quantile(n) * gaps.std(-1, ddof=1) / np.sqrt(n)
    counts.append(_dominating(mean, half, np.array(margins)))
  return int(np.ceil(np.quantile(counts, 0.95)))


def _dominating(mean, half, margins) -> int:
  """Comparisons that `verdicts.verdict` calls "dominates"."""
  gain = mean * np.array([1.0, -1.0])  # less leakage is better
  wins = (gain - half > 0).any(1)
  holds = (half - gain < margins).all(1)
  loses = (-gain - half > 0).any(1)
  return int((wins & holds & ~loses).sum())
