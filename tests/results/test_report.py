"""What the report concludes from tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vfl_jax.results.pages import experiment
from vfl_jax.results.pages import leakage as page_leakage


def test_findings_say_of_which_rows_where_these_differ():
  frame = leakage(attack_score=[0.9] * 4, control_score=[0.5] * 4)
  frame["low"] = frame["advantage"] - 0.01
  frame["high"] = frame["advantage"] + 0.01
  frame["control"] = "prior"
  frame.loc[3, ["low", "high"]] = -0.1, 0.5
  said = [text for text, _ in page_leakage.findings(frame)]
  assert said[0].startswith(
    "Party 0, norm, hint, spectral on train rows: it leaks"
  )
  assert said[1].startswith("Party 0, spectral on test rows: not told apart")


def leakage(**columns):
  rows = {
    "attack": ["norm", "hint", "spectral", "spectral"],
    "party": ["0"] * 4,
    "rows": ["train", "train", "train", "test"],
    "metric": ["auc", "auc", "accuracy", "accuracy"],
    "primary": [True] * 4,
    "advantage": [0.1, 0.3, 0.5, 0.2],
    "low": [0.05, 0.1, 0.4, 0.1],
    "high": [0.15, 0.5, 0.6, 0.3],
    "seeds": [5] * 4,
  }
  return pd.DataFrame({**rows, **columns})


def test_the_strongest_attack_pays_for_having_been_chosen():
  (card,) = page_leakage.strongest(leakage())
  # training and test rows both are somebody's labels
  assert (card["attack"], card["rows"], card["of"]) == ("spectral", "train", 4)
  wider = stats.t.ppf(1 - 0.025 / 4, 4) / stats.t.ppf(0.975, 4)
  assert card["high"] == pytest.approx(0.5 + 0.1 * wider)
  assert card["low"] < 0.4
  (alone,) = page_leakage.strongest(leakage().iloc[:1])
  assert alone["of"] == 1 and alone["low"] == pytest.approx(0.05)
  single = leakage(seeds=[1] * 4, low=[np.nan] * 4, high=[np.nan] * 4)
  assert np.isnan(page_leakage.strongest(single)[0]["low"])


def test_more_kinds_of_warnings_than_letters_are_still_marked():
  frame = pd.DataFrame(
    {
      "estimator": "plugin",
      "samples": "held out",
      "party": "0",
      "layer": range(30),
      "stage": "dense",
      "form": "flat",
      "nats": 0.0,
      "floor": 0.0,
      "fitted": 0.0,
      "fold_interval": 0.0,
      "n": 50,
      "width": 3,
      "kept_variance": 1.0,
      "projection_loss": 0.0,
      "ceiling": 1.0,
      "cap": np.nan,
      "warning": [f"kind {i}: {i}; saturated at H(Y)" for i in range(30)],
    }
  )
  rows = experiment._layers(frame)
  assert [len(r["held_out_marks"]) for r in rows] == [2] * 30
  assert "*" in rows[-1]["held_out_marks"] + rows[0]["held_out_marks"]
