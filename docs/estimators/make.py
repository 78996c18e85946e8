"""Runs every estimator where the truth is known: docs/results/estimators.csv.

  python docs/estimators/make.py

A few minutes on one core. Labels of ten classes in warped Gaussian mixtures of
16 columns, 2,000 samples; pairs of Gaussians for `copula`, which takes no
labels, and one discrete column for `plugin`.
"""

import pathlib

import jax
import numpy as np
import pandas as pd

from vfl_jax import information
from vfl_jax.information import truths

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
N, SEEDS = 2000, 3
CLASSES, COLUMNS = 10, 16
LEVELS = (0.0, 0.25, 0.5, 0.75, 0.9)  # of H(Y)


def labels(seed, level):
  """Labels in a warped mixture."""
  return truths.problem(
    "warped", seed, n=N, d=COLUMNS, classes=CLASSES, level=level
  )


def pairs(seed, level):
  """Two Gaussian columns and their noisy copies, for float targets."""
  rho = np.sqrt(1 - np.exp(-level * np.log(CLASSES)))
  return truths.gaussians(seed, n=N, d=2, rho=rho)


def counts(seed, level):
  """A column that is the label, or, in a share of the rows, any class."""
  generator = np.random.default_rng([seed, round(100 * level)])
  y = generator.integers(0, CLASSES, N)
  kept = generator.random(N) < level
  t = np.where(kept, y, generator.integers(0, CLASSES, N))
  right = level + (1 - level) / CLASSES
  wrong = (1 - level) / CLASSES
  truth = np.log(CLASSES) + right * np.log(right)
  if wrong > 0:
    truth += (CLASSES - 1) * wrong * np.log(wrong)
  return t[:, None].astype(np.float32), y, truth


PROBLEMS = {"copula": pairs, "plugin": counts}


def main():
  rows = []
  for name in information.ESTIMATORS:
    problem = PROBLEMS.get(name, labels)
    for level in LEVELS:
      for seed in range(SEEDS):
        t, y, truth, *_ = problem(seed, level)
        found = information.mutual_information(
          jax.random.key(seed), t[None], y, estimator=name
        )
        rows.append(
          {
            "estimator": name,
            "problem": problem.__doc__.split(",")[0].rstrip("."),
            "seed": seed,
            "truth": truth,
            "nats": found.nats[0],
            "interval": found.interval[0],
            "floor": found.floor[0],
          }
        )
    print(name, flush=True)
  frame = pd.DataFrame(rows)
  frame.to_csv(
    ROOT / "docs/results/estimators.csv", index=False, float_format="%.4g"
  )


if __name__ == "__main__":
  main()
