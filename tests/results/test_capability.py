"""VFLAIR's score of a defence, by hand."""

import math

import pandas as pd
import pytest

from vfl_jax.results.answers import capability
from vfl_jax.results.answers import cells


def scored(rule, party, attack, prior=0.1):
  return [
    {"rule": rule, "attack": rule, "party": party, "what": what, "value": value}
    for what, value in (
      ("attack", attack),
      ("prior", prior),
      ("features only", attack),  # counts for nothing
    )
  ]


def test_one_attack_is_a_distance_from_the_ideal():
  assert capability.score(0.1, 0.1, 0.9, 0.9) == 1
  assert capability.score(0.5, 0.1, 0.9, 0.9) == pytest.approx(
    1 / (1 + math.sqrt(0.5 * 0.16))
  )
  assert capability.score(0.1, 0.1, 0.6, 0.9) == pytest.approx(
    1 / (1 + math.sqrt(0.5 * 0.09))
  )
  # weaker than guessing counts as far from ideal as stronger: theirs, not ours
  assert capability.score(0.0, 0.1, 0.9, 0.9) < 1


def test_types_are_means_of_attacks_and_all_is_the_mean_of_types():
  scores = pd.DataFrame(
    [
      *scored("norm", "0", 0.5),
      *scored("norm", "1", 0.2),  # the party it serves worse
      *scored("direction", "0", 0.1),
      *scored("spectral", "0", 0.3),
    ]
  )
  found = capability.by_type(scores, 0.8, 0.9, cells.family)
  one = lambda attack: capability.score(attack, 0.1, 0.8, 0.9)
  assert found["gradient"] == pytest.approx((one(0.5) + one(0.1)) / 2)
  assert found["clustering"] == pytest.approx(one(0.3))
  assert found["all"] == pytest.approx(
    (found["gradient"] + found["clustering"]) / 2
  )


def test_without_an_undefended_cell_nothing_is_told():
  scores = pd.DataFrame(scored("norm", "0", 0.5))
  found = capability.by_type(scores, 0.8, float("nan"), cells.family)
  assert math.isnan(found["all"])


def test_a_score_that_features_alone_allow_counts_against_the_defence():
  """What it misses: the control."""
  scores = pd.DataFrame(scored("norm", "0", 0.9))  # features only: the same
  found = capability.by_type(scores, 0.9, 0.9, cells.family)
  assert found["all"] < 0.7
