"""Intervals of advantages: what they cover, and how often chance looks so."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vfl_jax.results import advantage
from vfl_jax.results import intervals

RUNS = 2000


def of_chance(generator, rows=20, seeds=5):
  """A table of advantages without any leak, of a spread of their own."""
  values = generator.standard_normal((rows, seeds)) * 0.03
  table = [
    dict(zip(("advantage", "low", "high"), intervals.interval(v), strict=True))
    for v in values
  ]
  return pd.DataFrame(table).assign(attack="norm", primary=True, seeds=seeds)


def test_intervals_over_splits_cover_the_mean_as_often_as_they_say():
  """Draws share a split, and what they share is not averaged out."""
  generator = np.random.default_rng(0)
  covered = 0
  for _ in range(RUNS):
    split = generator.standard_normal(5)
    draws = split[:, None] + 0.5 * generator.standard_normal((5, 5))
    _, low, high = intervals.interval(draws.mean(1).tolist())
    covered += low <= 0 <= high
  # a binomial of 2,000 at .95: four standard errors
  assert abs(covered / RUNS - 0.95) < 4 * np.sqrt(0.95 * 0.05 / RUNS)
  # as if all draws were of splits of their own: far too narrow
  wrong = intervals.half_width(draws.ravel())
  assert wrong < 0.6 * intervals.half_width(draws.mean(1))


def test_of_twenty_rows_without_a_leak_one_looks_so_unless_all_hold_at_once():
  generator = np.random.default_rng(1)
  alone = together = 0
  for _ in range(RUNS // 4):
    frame = of_chance(generator)
    alone += (frame["low"] > 0).any()
    together += any(r["low"] > 0 for r in advantage.at_once(frame))
  rate = 1 - 0.975**20  # .40: each row alone says so in 2.5 % of runs
  assert abs(alone / (RUNS // 4) - rate) < 4 * np.sqrt(0.25 / (RUNS // 4))
  assert together / (RUNS // 4) < 0.025 + 4 * np.sqrt(0.025 / (RUNS // 4))


def test_only_rows_that_make_a_claim_are_counted():
  frame = of_chance(np.random.default_rng(2), rows=6)
  frame["primary"] = [True, True, True, False, False, True]
  frame["attack"] = ["a", "b", "c", "c", "c", "c (oracle)"]
  rows = advantage.at_once(frame)
  wider = stats.t.ppf(1 - 0.025 / 3, 4) / stats.t.ppf(0.975, 4)
  for row, before in zip(rows, frame.to_dict("records"), strict=True):
    claims = row["attack"] in "abc" and row["primary"]
    assert row["of"] == (3 if claims else 1)
    width = (before["high"] - before["low"]) * (wider if claims else 1)
    assert row["high"] - row["low"] == pytest.approx(width)


def scores(attack, control):
  rows = [
    {"seed": s, "draw": 0, "what": what, "value": value}
    for what, values in (("attack", attack), ("features only", control))
    for s, value in enumerate(values)
  ]
  return pd.DataFrame(rows).pivot(
    index=["seed", "draw"], columns="what", values="value"
  )


@pytest.mark.parametrize(
  "attack, control, wanted",
  [
    ([0.9, 0.9], [0.8, 0.8], (0.5, 0.5, 0.5)),
    ([0.7, 0.7], [0.8, 0.8], (0, 0, 0)),  # below its control: no risk
    ([1.0, 1.0], [0.8, 0.8], (1, 1, 1)),
    ([1.0, 1.0], [1.0, 1.0], (0, 0, 0)),  # the control leaves nothing open
    ([0.6, 0.8], [0.5, 0.5], (0.4, 0, 1)),
  ],
)
def test_risk_is_the_share_of_what_the_control_leaves_open(
  attack, control, wanted
):
  found = advantage.risk(scores(attack, control), "features only")
  assert found == pytest.approx(wanted)
