"""Neighbours and label spreading on an accelerator are those of the host."""

import jax
import numpy as np
import pytest

from vfl_jax.evaluation import classifiers
from vfl_jax.evaluation import neighbours
from vfl_jax.evaluation import spreading


@pytest.fixture
def rows():
  generator = np.random.default_rng(0)
  return np.float32(100 + generator.standard_normal((130, 6)))


@pytest.fixture
def accelerator(monkeypatch):
  """Takes the accelerator's way on whatever device there is."""
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  monkeypatch.setattr(neighbours, "_BLOCK", 50)


@pytest.mark.parametrize("itself", [True, False])
def test_nearest(rows, accelerator, itself):
  found = neighbours.nearest(rows, rows, 5, itself)
  distances = np.linalg.norm(rows[:, None] - rows, axis=-1)
  if not itself:
    np.fill_diagonal(distances, np.inf)
  np.testing.assert_array_equal(found, distances.argsort(1)[:, :5])


def test_spreading(rows, monkeypatch, accelerator):
  seen = np.arange(0, 130, 2)
  draw = classifiers.Labels(seen[:9], np.arange(9) % 3)
  found = spreading.scores(spreading.build(rows, seen), [draw], 3, 0.9)
  monkeypatch.undo()
  right = spreading.scores(spreading.build(rows, seen), [draw], 3, 0.9)
  np.testing.assert_allclose(found, right, atol=1e-5)
