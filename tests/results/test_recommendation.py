"""The choice of an option, on tables made by hand."""

import numpy as np
import pytest

from vfl_jax.results.answers import evidence as answer_evidence
from vfl_jax.results.answers import recommendation

NOISE = 0.002 * np.array([-1.0, 0.0, 1.0, 0.5, -0.5])


def option(name, utility=0.9, leakage=0.1, exposed=0.5, traffic=100, seeds=5):
  return answer_evidence.Option(
    name,
    utility + NOISE[:seeds],
    leakage + 2 * NOISE[:seeds][::-1],
    exposed + NOISE[:seeds],
    traffic,
  )


MANY = answer_evidence.Evidence(100_000, 0.5)


def recommended(*options, evidence=MANY, **constraints):
  return recommendation.recommend(
    options,
    options[0].name,
    answer_evidence.Constraints(**constraints),
    evidence,
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
    assert "2 options are shown to protect as well" in found.reasons[1]


def test_what_leaks_nothing_ties_however_far_below_zero():
  found = recommended(
    option("usual", leakage=0.2),
    option("zero", leakage=-0.05, exposed=0.2),
    option("far below", leakage=-0.5),
  )
  assert found.chosen == "zero"


def test_nothing_feasible_is_said_with_the_nearest():
  found = recommended(
    option("usual"), option("loud", traffic=900), leakage=0.05, traffic=500
  )
  assert found.chosen == "" and found.feasible == ()
  assert "The nearest is usual: a share of 0.100 of the labels leaks" in str(
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
  found = recommended(usual, close._replace(exposures=usual.exposures - 0.4))
  assert found.chosen == "usual" and "no reason to leave" in found.reasons[-1]


def test_missing_evidence_is_no_tie():
  """Not told apart from the best, yet shown to leak more than the usual."""
  usual = option("usual")._replace(leakages=np.array([0.05, 0.25, 0.15]))
  early = usual._replace(
    name="early", leakages=np.zeros(3), exposures=np.full(3, 0.9)
  )
  deep = usual._replace(
    name="deep",
    leakages=np.array([0.10, 0.31, 0.205]),
    exposures=np.full(3, 0.3),
  )
  options = [
    o._replace(utilities=o.utilities[:3], exposures=o.exposures[:3])
    for o in (usual, early, deep)
  ]
  assert recommended(*options).chosen == "usual"
  wide = option("wide", leakage=0.05, exposed=0.1)
  wide = wide._replace(leakages=wide.leakages + np.linspace(-0.04, 0.04, 5))
  found = recommended(
    option("usual", leakage=0.3), option("e", leakage=0), wide
  )
  assert found.chosen == "e"  # not told apart, but not shown to be as good


def test_where_the_usual_cannot_be_taken_the_best_of_the_others_is():
  found = recommended(
    option("usual", traffic=900), option("deep", leakage=0.2), traffic=500
  )
  assert found.chosen == "deep"
  assert "does not keep to them" in found.reasons[1]
  assert "by +0.100" in found.reasons[2]


def test_what_was_not_measured_keeps_to_no_limit_and_comes_last():
  unknown = option("unknown", leakage=0.0)
  unknown = unknown._replace(exposures=np.full(5, np.nan))
  usual = option("usual", leakage=0.3)
  found = recommended(usual, unknown, option("known", leakage=0.0))
  assert found.chosen == "known"
  assert recommended(usual, unknown).chosen == "unknown"
  for limits in (
    {"exposed": 0.6},
    {"protect": "features"},
    {"protect": "both"},
  ):
    found = recommended(usual, unknown, **limits)
    assert found.chosen == "usual"
    assert "was not measured" in found.misses["unknown"][0]


def test_an_option_that_cannot_be_compared_says_why():
  odd = option("odd", leakage=0.0, seeds=2)._replace(lacks="2 of 5 seeds")
  found = recommended(option("usual"), odd)
  assert found.chosen == "usual" and found.misses["odd"] == ["2 of 5 seeds"]
  found = recommended(odd, option("other"))
  assert found.chosen == "" and "cannot be compared (2 of" in found.reasons[0]


def test_nobody_is_advised_on_a_task_that_was_not_learned():
  found = recommended(
    option("usual"), evidence=answer_evidence.Evidence(1000, 0.9)
  )
  assert found.chosen == "" and "has not learned the task" in found.reasons[0]


def test_few_validation_rows_are_a_doubt_and_very_few_no_evidence():
  found = recommended(
    option("usual"), evidence=answer_evidence.Evidence(200, 0.5)
  )
  assert found.chosen == "usual"
  assert "200 validation rows know the main task to 0.042" in found.doubts[0]
  found = recommended(
    option("usual"), evidence=answer_evidence.Evidence(60, 0.5)
  )
  assert found.chosen == "" and "60 validation rows" in found.reasons[0]


def test_a_leak_that_may_pass_its_limit_is_a_doubt():
  near = option("usual", leakage=0.049)
  near = near._replace(leakages=near.leakages + np.linspace(-0.03, 0.03, 5))
  found = recommended(near, leakage=0.05)
  assert found.chosen == "usual"
  assert "more than the 0.05 allowed" in found.doubts[0]


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
    recommendation.recommend(
      [option("this")], "that", answer_evidence.Constraints(), MANY
    )
  with pytest.raises(ValueError, match="take one of labels, features, both"):
    recommended(option("this"), protect="nobody")
