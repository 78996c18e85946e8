"""Advantage by what a party's class says: on tables with a known answer."""

import numpy as np
import pandas as pd
import pytest

from vfl_jax.results.answers import alignment
from vfl_jax.results import figures
from vfl_jax.results import tables
from vfl_jax.results.pages import alignment as page

TOLD = {0.0: 0.0, 0.5: 0.3, 1.0: 1.0}  # strength: information of party 0
SEEDS = 4


def study(gain=0.2, control=0.5, nothing=0.0, seeds=SEEDS, noise=0.01):
  """Advantages are `gain` times the information, of party 1 `nothing`."""
  generator = np.random.default_rng(0)
  main, attacks, known = [], [], []
  for strength, told in TOLD.items():
    key = {"data": "digits", "strength": strength}
    main.append(
      {**key, "rows": "test", "metric": "accuracy", "primary": True}
      | {"mean": 0.9 - 0.1 * strength, "low": 0.8, "high": 1.0, "seed0": 0.9}
    )
    known += [
      {**key, "party": party, "quantity": what, "value": value, "chance": 0.0}
      for party, what, value in (
        ("0", "class information", told),
        ("1", "class information", 0.001),
        ("all", "ceiling", 0.92),
      )
    ]
    for party, base, above in (
      ("0", 0.1 + control * told, gain * told),
      ("1", 0.1, nothing),
    ):
      for seed in range(seeds):
        for rule, rows in (
          ("passive_completion", "test"),
          ("passive_completion", "train"),
          ("direction", "train"),
        ):
          near = noise * generator.standard_normal()
          attacks += [
            {**key, "attack": rule, "rule": rule, "party": party, "draw": 0}
            | {"rows": rows, "metric": "accuracy", "primary": True}
            | {"seed": seed, "what": what, "value": value}
            for what, value in (
              ("attack", base + above + near),
              ("features only", base),
            )
          ]
  frames = {"main": main, "attacks": attacks, "alignment": known}
  return {name: pd.DataFrame(rows) for name, rows in frames.items()}


def answered(**known):
  parts = study(**known)
  aligned = pd.DataFrame(alignment.measured(**parts))
  lines = alignment.slopes(aligned, parts["attacks"])
  lines = pd.DataFrame(lines, columns=alignment.SLOPES)
  return aligned, lines, alignment.findings(aligned, lines)


def test_a_planted_slope_is_found_and_its_control_s_beside_it():
  aligned, lines, (grown, nothing) = answered(gain=0.2, control=0.5)
  assert len(aligned) == 3 * 2 * 3 and len(lines) == 2 * 3
  line = lines.set_index(["attack", "party", "rows"]).loc[
    ("passive_completion", "0", "test")
  ]
  assert line["slope_low"] < 0.2 < line["slope_high"]
  assert line["slope"] == pytest.approx(0.2, abs=0.02)
  assert line["control_slope"] == pytest.approx(0.5)
  assert line["score_slope"] == pytest.approx(0.7, abs=0.02)
  assert line["of"] == 6
  assert "the federation adds more where features say more" in grown["text"]
  assert "says 0.00 to 1.00 of the label's H(Y)" in grown["text"]
  assert "main task 0.800 to 0.900" in grown["detail"]
  assert "0 of 9 attacks are shown to find more" in nothing["text"]


def test_a_leak_to_a_party_that_can_know_nothing_is_reported():
  *_, (_, nothing) = answered(nothing=0.3)
  assert "9 of 9 attacks are shown to find more" in nothing["text"]


def test_where_scores_rise_with_their_control_no_change_is_shown():
  _, lines, (grown, _) = answered(gain=0.0)
  assert (lines["slope_low"] <= 0).all() and (lines["slope_high"] >= 0).all()
  assert "no change of what the federation adds is shown" in grown["text"]


def test_by_chance_a_slope_is_shown_for_at_most_one_study_in_twenty():
  shown = 0
  for seed in range(40):
    generator = np.random.default_rng(seed)
    parts = study(gain=0.0, noise=0.0)
    attack = parts["attacks"]["what"] == "attack"
    parts["attacks"].loc[attack, "value"] += 0.02 * generator.standard_normal(
      attack.sum()
    )
    aligned = pd.DataFrame(alignment.measured(**parts))
    lines = pd.DataFrame(alignment.slopes(aligned, parts["attacks"]))
    shown += bool(((lines["slope_low"] > 0) | (lines["slope_high"] < 0)).any())
  assert shown <= 6  # of 40; 2 expected, more is one in two hundred


def test_one_seed_allows_no_claim():
  *_, (grown, nothing) = answered(seeds=1)
  assert "(one seed): one seed, no claim" in grown["text"]
  assert "0 of 0 attacks" in nothing["text"]


def test_a_study_is_read_from_its_tables_and_drawn(tmp_path):
  for name, frame in study().items():
    tables.write(tmp_path, f"all_{name}", frame.to_dict("records"))
  alignment.read(tmp_path)
  assert len(tables.read(tmp_path, "findings")) == 2
  assert "alignment" in figures.write(tmp_path)
  table, lines = page.contents(tmp_path)
  assert len(table.rows) == 18 and len(lines.rows) == 6
