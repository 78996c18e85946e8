"""Rows for probes: rows that were trained on, and rows that were not."""

import jax
import numpy as np

from vfl_jax.federation import views
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees


def held_out(
  f: views.Federation, count: int, key: jax.Array
) -> tuple[tuple, np.ndarray]:
  """`(inputs, labels)` of at most `count` test and validation rows, shuffled.

  There are at most as many as training rows, so that `trained_on` can match
  their number.

  Args:
    f: the federation.
    count: largest number of rows.
    key: random key.
  """
  splits = [f.dataset.test, f.dataset.validation]
  labels = np.concatenate([p.labels for p in splits])
  rows = rng.generator(rng.stream(key, "held out")).permutation(len(labels))
  rows = rows[: min(count, len(f.dataset.train.labels))]
  inputs = jax.tree.map(
    lambda *a: np.concatenate(a)[rows], *[tuple(p.inputs) for p in splits]
  )
  return inputs, labels[rows]


def trained_on(
  f: views.Federation, count: int, key: jax.Array
) -> tuple[tuple, np.ndarray]:
  """`(inputs, labels)` of `count` training rows, shuffled."""
  labels = f.dataset.train.labels
  rows = rng.generator(rng.stream(key, "trained on")).permutation(len(labels))
  rows = rows[:count]
  return trees.take(tuple(f.dataset.train.inputs), rows), labels[rows]
