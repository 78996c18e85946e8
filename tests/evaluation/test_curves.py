"""What is found at few errors, by hand counts; no curve of several classes."""

import numpy as np
import pandas as pd
import pytest

from vfl_jax.evaluation import curves
from vfl_jax.evaluation import scoring
from vfl_jax.results import figures
from vfl_jax.results import tables

ROWS = 2000


def answer(score, what="attack", names=(), trial=0):
  scores = np.stack([-score, score], axis=-1)
  return scoring.Answer("a", what, 0, trial, None, scores, "", names)


def table(*answers, draws=1):
  labels = {"train": np.zeros(0, int), "test": np.arange(ROWS) % 2}
  aux = np.zeros((4, 0), int)
  return pd.DataFrame(curves.table(answers, labels, aux, draws))


def test_a_quarter_that_is_certain_is_found_without_an_error():
  """The AUC is .625: a coin decides the others."""
  generator = np.random.default_rng(0)
  labels = np.arange(ROWS) % 2
  score = generator.random(ROWS)
  score[(labels == 1) & (generator.random(ROWS) < 0.25)] += 2
  found = table(answer(score)).set_index("false")["found"]
  assert found[0.001] == pytest.approx(0.25, abs=0.04)
  # chance among the others beside the certain quarter
  assert found[0.5] == pytest.approx(0.25 + 0.75 * 0.5, abs=0.05)
  assert found.is_monotonic_increasing


def test_of_a_pool_the_best_by_auc_counts_and_draws_are_averaged():
  labels = np.arange(ROWS) % 2
  noise = np.random.default_rng(1).random(ROWS)
  pool = np.stack([noise, labels.astype(float)])
  both = [
    part
    for trial in range(2)
    for part in (
      answer(labels * (1.0 - trial) + trial * noise, trial=trial),
      answer(pool, "features only", ("one", "other"), trial),
    )
  ]
  frame = table(*both, draws=2)
  assert set(frame["seed"]) == {0}
  at = frame[frame["false"] == 0.01].set_index("what")["found"]
  assert at["features only"] == 1
  assert at["attack"] == pytest.approx(0.505, abs=0.01)


def test_of_three_classes_there_is_no_curve():
  three = scoring.Answer("a", "attack", 0, 0, None, np.eye(3)[[0] * ROWS], "")
  assert table(three).empty


def test_a_figure_is_drawn_of_every_party(tmp_path):
  labels = np.arange(ROWS) % 2
  answers = [answer(labels + 0.1, trial=t) for t in range(2)]
  answers += [answer(0.0 * labels, "prior", trial=t) for t in range(2)]
  tables.write(tmp_path, "roc", table(*answers).to_dict("records"))
  assert "roc" in figures.write(tmp_path)
