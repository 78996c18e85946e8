"""The calibration study: its numbers, its resumption, its refusals."""

import re

import numpy as np
import pandas as pd
import pytest

from vfl_jax.config import files
from vfl_jax.config import schema
from vfl_jax.experiments import calibration
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import progress
from vfl_jax.experiments.validation import validate
from vfl_jax.results.answers import calibration as answer_calibration
from vfl_jax.results.pages import calibration as page_calibration
from vfl_jax.results import tables
from vfl_jax.results import terminal


def small(**values):
  config = schema.defaults("calibration")
  files.assign(
    config,
    {
      "seeds": 2,
      "estimators": ("neighbors", {"name": "neighbors", "k": 5}),
      "grid.shapes": ("mixture", "xor"),
      "grid.samples": (200, 1000),
      "grid.dimensions": (2,),
      "grid.classes": (2,),
      "grid.levels": (0.0, 0.6),
      **values,
    },
  )
  return validate.validate(config)


class Stopped(Exception):
  pass


class StopAfter(progress.Silent):
  def __init__(self, steps):
    self.left = steps

  def advance(self, what="", by=1):
    self.left -= 1
    if not self.left:
      raise Stopped


def test_a_study_ends_in_tables_figures_and_a_report(tmp_path, capsys):
  config = small()
  path = calibration.run(config, tmp_path)
  frame = tables.read(tmp_path, "calibration")
  assert len(frame) == 2 * 2 * 2 * 2 * 2
  assert set(frame["estimator"]) == {"neighbors", "neighbors (k=5)"}
  # neighbours are right in two columns, as the tests of estimators say
  assert ((frame["nats"] - frame["truth"]).abs() < 0.2).all()
  assert (frame[frame["level"] == 0]["truth"] == 0).all()
  html = path.read_text("utf-8")
  assert html.count("data:image/svg+xml") == 2
  assert "Over all problems the smallest error is that of neighbors" in html
  terminal.summary(tmp_path)
  assert "neighbors (k=5)" in capsys.readouterr().out


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
  whole, parts = tmp_path / "whole", tmp_path / "parts"
  config = small()
  calibration.run(config, whole)
  with pytest.raises(Stopped):
    calibration.run(config, parts, StopAfter(5))
  with (parts / "metrics.jsonl").open("a") as file:
    file.write('{"estimator": "neigh')  # a torn line
  measured = []
  measure = calibration.measure
  monkeypatch.setattr(
    calibration, "measure", lambda *a: measured.append(a) or measure(*a)
  )
  calibration.run(config, parts)
  assert len(measured) == 32 - 5
  pd.testing.assert_frame_equal(
    *[
      tables.read(w, "calibration").drop(columns="seconds")
      for w in (whole, parts)
    ]
  )
  calibration.run(config, parts)  # finished: nothing is done
  assert len(measured) == 32 - 5
  with pytest.raises(lifecycle.Refused, match="another config"):
    calibration.run(small(seeds=3), parts)


def test_summary_of_errors_known_by_hand():
  rows = [
    {
      "estimator": name,
      "shape": "mixture",
      "n": n,
      "d": 2,
      "classes": 2,
      "level": 0.5,
      "seed": seed,
      "truth": 0.3,
      "truth_error": 0.0,
      "nats": 0.3 + bias + (0.1 if seed else -0.1),
      "interval": 0.15,
      "seconds": 1.0,
    }
    for name, bias in (("low", -0.2), ("high", 0.1))
    for n in (100, 200)
    for seed in (0, 1)
  ]
  found = answer_calibration.summary(pd.DataFrame(rows))
  low = found[(found["estimator"] == "low") & (found["n"] == "all")].iloc[0]
  high = found[(found["estimator"] == "high") & (found["n"] == "all")].iloc[0]
  np.testing.assert_allclose(
    low[["bias", "mae", "covered", "above", "estimates"]].astype(float),
    [-0.2, 0.2, 0.5, 0.0, 4],
  )
  np.testing.assert_allclose(low["spread"], 0.2 / np.sqrt(2))
  np.testing.assert_allclose(low["share"], 0.2 / np.log(2))
  np.testing.assert_allclose(
    high[["bias", "mae", "covered", "above"]].astype(float),
    [0.1, 0.1, 0.5, 0.5],
  )
  assert list(found[found["n"] == "100"]["estimator"]) == ["high", "low"]
  cells = answer_calibration.by_cell(pd.DataFrame(rows).assign(fitted=0.5))
  assert list(cells["n"]) == [100, 200, 100, 200]
  np.testing.assert_allclose(cells["bias"], [-0.2, -0.2, 0.1, 0.1])
  np.testing.assert_allclose(cells["spread"], 0.1414, atol=1e-4)


@pytest.mark.parametrize(
  "values, words",
  [
    ({"grid.shapes": ("xorr",)}, "did you mean 'xor'"),
    ({"grid.levels": (1.0,)}, "grid.levels has 1.0"),
    (
      {"grid.samples": (20,)},
      "grid.samples has 20; take whole numbers from 40",
    ),
    ({"grid.classes": ()}, "grid.classes is empty"),
    ({"estimators": ()}, "estimators is empty"),
    ({"estimators": ("mime",)}, "did you mean 'mine'"),
    ({"estimators": ("mine", "mine")}, "listed twice"),
    ({"fit.folds": 5}, "fit.folds is 5; take 1 to 4"),
    ({"fit.steps": "many"}, "fit.steps is 'many'"),
    ({"kind": "callibration"}, "kind is 'callibration'"),
  ],
)
def test_bad_values_are_refused_in_a_sentence(values, words):
  with pytest.raises(ValueError, match=re.escape(words)):
    small(**values)


def test_reservations_say_what_own_rows_would_have_read():
  rows = {
    "nats": [0.0, 0.3],
    "truth": [0.0, 0.5],
    "fitted": [0.4, 0.6],
    "classes": [2, 2],
    "warning": ["n too small: ...", None],
  }
  own, warned = page_calibration.reservations(pd.DataFrame(rows))
  half = 0.5 / 2 / np.log(2)
  assert (
    f"would be {half:.3f} of H(Y) instead of {0.1 / np.log(2):.3f}" in own[0]
  )
  assert "own rows read 0.40 nats" in own[1]
  assert f"0.000 of H(Y), elsewhere {0.2 / np.log(2):.3f}" in warned[0]


def test_dry_run_counts(capsys):
  calibration.dry_run(small())
  assert "16 problems, 2 estimators: 32 estimates" in capsys.readouterr().out
