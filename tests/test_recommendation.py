"""The choice of an option, on tables made by hand."""

import numpy as np
import pytest

from vfl_jax.questions import recommendation
from vfl_jax.questions.recommendation import Constraints
from vfl_jax.questions.recommendation import Option

NOISE = 0.002 * np.array([-1.0, 0.0, 1.0, 0.5, -0.5])


def option(name, utility=0.9, leakage=0.1, exposed=0.5, traffic=100, seeds=5):
  return Option(
    name,
    utility + NOISE[:seeds],
    leakage + 2 * NOISE[:seeds][::-1],
    exposed,
    traffic,
  )


def recommended(*options, **constraints):
  return recommendation.recommend(
    options, options[0].name, Constraints(**constraints)
  )


def test_the_one_that_leaks_least_is_chosen_among_the_feasible():
  found = recommended(
    option("usual"),
    option("earlier", leakage=0.05),
    option("ruined", leakage=0.0, utility=0.5),
  )
  assert found.chosen == "earlier"
  assert found.feasible == ("usual", "earlier")
  assert found.front == ("earlier", "ruined")
  assert "-0.050" in found.reasons[-1]


def test_ties_go_to_the_other_side_then_to_utility_then_to_traffic():
  usual = option("usual", leakage=0.2)
  for better in (
    {"exposed": 0.3},
    {"utility": 0.92},
    {"traffic": 50},
  ):
    found = recommended(
      usual,
      option("plain", leakage=0.0),
      option("better", leakage=0.0, **better),
    )
    assert found.chosen == "better"
    assert "2 of them protect alike" in found.reasons[0]


def test_what_leaks_nothing_ties_however_far_below_zero():
  found = recommended(
    option("usual", leakage=0.2),
    option("zero", leakage=-0.01, exposed=0.2),
    option("far below", leakage=-0.5),
  )
  assert found.chosen == "zero"


def test_nothing_feasible_is_said_with_the_nearest():
  found = recommended(
    option("usual"), option("loud", traffic=900), leakage=0.05, traffic=500
  )
  assert found.chosen == "" and found.feasible == ()
  assert "The nearest is usual: the leakage advantage is 0.100" in str(
    found.reasons
  )


def test_a_single_option_is_itself():
  found = recommended(option("only"))
  assert found.chosen == "only" and found.front == ("only",)


def test_what_is_not_told_apart_from_the_usual_is_not_recommended():
  usual = option("usual")
  close = usual._replace(
    name="close", leakages=usual.leakages + np.array([0.1, -0.12, 0.1, 0, -0.1])
  )
  found = recommended(usual, close)
  assert found.chosen == "usual"
  found = recommended(usual, close._replace(exposed=0.1))
  assert found.chosen == "usual" and "no reason to leave" in found.reasons[-1]


def test_too_few_seeds_recommend_nothing():
  found = recommended(option("usual", seeds=2), option("b", seeds=2))
  assert found.chosen == "" and "take at least 3" in found.reasons[0]


def test_wide_intervals_are_doubts():
  wide = option("usual")._replace(
    leakages=np.array([-0.2, 0.3, 0.0, 0.1, -0.1])
  )
  found = recommended(wide)
  assert len(found.doubts) == 2 and "more seeds than 5" in found.doubts[0]


@pytest.mark.parametrize(
  "protect, chosen",
  [("labels", "early"), ("features", "late"), ("both", "middle")],
)
def test_whose_privacy_matters_decides(protect, chosen):
  found = recommended(
    option("late", leakage=0.6, exposed=0.1),
    option("middle", leakage=0.3, exposed=0.3),
    option("early", leakage=0.0, exposed=0.8),
    protect=protect,
  )
  assert found.chosen == chosen


def test_what_cannot_be_asked_is_refused():
  with pytest.raises(ValueError, match="'that' is none of the options"):
    recommendation.recommend([option("this")], "that", Constraints())
  with pytest.raises(ValueError, match="take one of labels, features, both"):
    recommended(option("this"), protect="nobody")
