"""One class may leak where the others do not."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from vfl_jax import attacks
from vfl_jax.evaluation import classes
from vfl_jax.evaluation import scoring
from vfl_jax.results import advantage
from vfl_jax.results.pages import leakage

CLASSES, ROWS, SEEDS, DRAWS = 4, 400, 5, 2


def scores_of(guess):
  return np.eye(CLASSES)[guess]


def test_f1_is_scikit_learn_s():
  generator = np.random.default_rng(0)
  labels, guess = generator.integers(0, CLASSES, (2, 300))
  found = classes.f1(scores_of(guess), labels)
  np.testing.assert_allclose(
    found, metrics.f1_score(labels, guess, average=None)
  )


@pytest.fixture(scope="module")
def table():
  """An attack that finds all of class 2, beside a pool of two learners."""
  generator = np.random.default_rng(1)
  labels = generator.integers(0, CLASSES, ROWS)
  aux = np.tile(np.arange(20), (SEEDS * DRAWS, 1))
  answers = []
  for trial in range(SEEDS * DRAWS):
    noise = generator.integers(0, CLASSES, (3, ROWS))
    weak = np.where(generator.random(ROWS) < 0.3, labels, noise[0])
    told = np.where(labels == 2, 2, np.where(weak == 2, noise[1] % 2, weak))
    pool = np.stack([scores_of(noise[2]), scores_of(weak)])
    for what, train, names in (
      ("attack", scores_of(told), ()),
      ("features only", pool, ("one", "other")),
      ("prior", scores_of(np.zeros(ROWS, int)), ()),
    ):
      answers.append(
        scoring.Answer("a", what, 0, trial, train, None, "", names)
      )
  rules = {"a": attacks.build("passive_completion", budget=1)}
  return classes.table(
    answers, rules, {"train": labels, "test": labels}, aux, DRAWS, "accuracy"
  )


def test_the_class_that_leaks_is_named_first(table):
  frame = pd.DataFrame(table)
  assert len(frame) == SEEDS * CLASSES and set(frame["rows"]) == {"train"}
  assert frame["n"].groupby(frame["seed"]).sum().eq(ROWS - 20).all()
  row = {"attack": "a", "party": "0", "rows": "train"}
  first, *others = advantage.by_class(frame, row)
  assert first["class"] == 2 and first["attack_score"] == 1
  assert first["low"] > 0.3
  assert all(r["advantage"] < 0.1 for r in others)


def test_the_report_has_the_classes_of_the_largest_advantage(table):
  frame = pd.DataFrame(table)
  row = {"attack": "a", "party": "0", "rows": "train", "primary": True}
  row |= {"advantage": 0.2, "low": 0.1, "high": 0.3, "seeds": SEEDS}
  ranking = {**row, "attack": "norm", "advantage": 0.4}
  found = leakage.classes(pd.DataFrame([row, ranking]), frame)
  assert found["attack"] == "a" and found["all"] == CLASSES
  assert found["classes"][0]["class"] == 2
  assert leakage.classes(pd.DataFrame([row]), pd.DataFrame()) == {}
