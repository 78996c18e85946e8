"""Studies: many experiments, each on its own, read side by side."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from vfl_jax.attacks import base as attack_base
from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.config import registry
from vfl_jax.config import schema
from vfl_jax import defenses
from vfl_jax.experiments import experiment
from vfl_jax.experiments import study
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import split
from vfl_jax import models
from vfl_jax.results.answers import cells as answer_cells
from vfl_jax.results.answers import tradeoff
from vfl_jax.results.answers import verdicts
from vfl_jax.results.pages import tradeoff as page_tradeoff
from vfl_jax.results import status
from vfl_jax.results import tables
from vfl_jax.results import terminal


def dies(*, steps: int = 1, oracle: bool = False) -> attack_base.Attack:
  """An attack that takes its process with it."""
  del steps, oracle

  def infer(key, view):
    os._exit(9)

  return attack_base.Attack(
    frozenset({"bottom"}), infer, "none", compiled=False
  )


def fails(*, steps: int = 1, oracle: bool = False) -> attack_base.Attack:
  """An attack that raises."""
  del steps, oracle

  def infer(key, view):
    raise RuntimeError("nothing to be had")

  return attack_base.Attack(
    frozenset({"bottom"}), infer, "none", compiled=False
  )


def small(cells, **values):
  base = schema.defaults()
  files.assign(
    base,
    {
      "seeds": 2,
      "data.train_size": 200,
      "data.test_size": 100,
      "data.active_features": True,
      "model.hidden": (8, 8),
      "train.epochs": 1,
      "information.estimators": (),
      "compensation": (),
      "attacks": ("passive_completion",),
      "evaluate.attack_steps": 2,
      "evaluate.ceiling_steps": 2,
    },
  )
  config = schema.defaults("study")
  config.bases.digits = base
  config.cells = tuple(cells)
  config.workers = 1
  files.assign(config, values)
  return config


def cell(defense="none", strength="", advance=0, base="digits", **more):
  own = () if defense == "none" else ({"name": defense, "scale": strength},)
  moved = ({"name": "cut", "advance": advance},) if advance else ()
  labels = dict(data=base, defense=defense, strength=strength, advance=advance)
  return {
    "labels": labels,
    "base": base,
    "set": {"defenses": (*moved, *own), **more},
  }


GRID = (
  cell(),
  cell(advance=1),
  cell("gaussian", 0.1),
  cell("gaussian", 0.1, advance=1),
)


@pytest.mark.slow
def test_a_study_ends_in_tables_figures_and_a_report(tmp_path, capsys):
  config = small(GRID)
  config.bases.digits.attacks = ("passive_completion", "feature_inversion")
  config = validate.validate(config)
  path = study.run(config, tmp_path)
  cells = tables.read(tmp_path, "tradeoff")
  assert len(cells) == 4 and tables.read(tmp_path, "failed").empty
  assert set(cells["defense"]) == {"none", "gaussian"}
  # what is collected is what the experiments say themselves
  for one in study.cells(config):
    own = tables.read(study.folder(tmp_path, one), "main")
    row = cells[
      (cells["defense"] == one.labels["defense"])
      & (cells["advance"] == one.labels["advance"])
    ].iloc[0]
    assert row["utility"] == pytest.approx(own.loc[0, "mean"], abs=1e-5)
    wire = tables.read(study.folder(tmp_path, one), "cost")
    assert row["up_bytes"] == wire["up_bytes"].sum()
  questions = tables.read(tmp_path, "advances")["question"].value_counts()
  assert questions.to_dict() == {"alone": 1, "on top": 1, "instead": 1}
  html = path.read_text("utf-8")
  spent = [
    status.status(study.folder(tmp_path, one))["ledger"][0]
    for one in study.cells(config)
  ]
  assert f"Compiled: {sum(spent)} programs" in html and min(spent) > 0
  guesses = tables.read(tmp_path, "all_main").query("rows == 'test'")
  balanced = guesses[guesses["metric"] == "balanced_accuracy"]["guess"]
  assert balanced.tolist() == pytest.approx([0.1] * len(balanced), abs=1e-5)
  assert html.count("data:image/svg+xml") == 2
  assert "Does advancing the cut dominate other defences on digits?" in html
  terminal.summary(tmp_path)
  assert "Does advancing the cut" in capsys.readouterr().out


@pytest.mark.usefixtures("without_figures")
def test_cells_that_are_done_are_not_done_again(tmp_path, monkeypatch):
  config = validate.validate(small(GRID[:2]))
  first, second = study.cells(config)
  experiment.run(validate.validate(first.asked), study.folder(tmp_path, first))
  ran = []
  run = experiment.run
  monkeypatch.setattr(
    experiment,
    "run",
    lambda c, w, p: (ran.append(pathlib.Path(w)), run(c, w, p)),
  )
  study.run(config, tmp_path)
  assert ran == [study.folder(tmp_path, second)]
  assert len(tables.read(tmp_path, "tradeoff")) == 2


@pytest.mark.usefixtures("without_figures")
def test_one_that_fails_is_listed_and_stops_no_other(tmp_path):
  bad = cell(advance=1, attacks=("tests.experiments.test_study:fails",))
  config = validate.validate(small((bad, GRID[0])))
  path = study.run(config, tmp_path)
  failed = tables.read(tmp_path, "failed")
  assert failed["reason"].tolist() == ["RuntimeError: nothing to be had"]
  assert tables.read(tmp_path, "tradeoff")["advance"].tolist() == [0]
  html = path.read_text("utf-8")
  assert "1 experiment failed" in html and "nothing to be had" in html


@pytest.mark.usefixtures("without_figures")
def test_where_all_fail_the_study_says_so(tmp_path):
  bad = cell(attacks=("tests.experiments.test_study:fails",))
  with pytest.raises(RuntimeError, match="all cells failed.*nothing to be"):
    study.run(validate.validate(small((bad,))), tmp_path)
  assert status.status(tmp_path)["state"] == "failed"


@pytest.mark.slow
def test_a_process_that_dies_takes_only_its_own_experiment(
  tmp_path, monkeypatch
):
  monkeypatch.setenv("PYTHONPATH", str(pathlib.Path.cwd()))
  bad = cell(advance=1, attacks=("tests.experiments.test_study:dies",))
  config = validate.validate(small((bad, *GRID[2:], GRID[0]), workers=2))
  study.run(config, tmp_path)
  failed = tables.read(tmp_path, "failed")
  assert failed["advance"].tolist() == [1]
  assert "process died" in failed.loc[0, "reason"]
  assert len(tables.read(tmp_path, "tradeoff")) == 3


@pytest.mark.slow
def test_workers_do_not_outlive_who_asked_for_them(tmp_path):
  config = validate.validate(small(GRID, workers=2))
  (tmp_path / "study.json").write_text(identity.as_json(config))
  script = tmp_path / "script.py"
  script.write_text(
    "import pathlib, sys\n"
    "from vfl_jax.config import identity\n"
    "from vfl_jax.experiments import study\n"
    "if __name__ == '__main__':\n"
    "  text = pathlib.Path(sys.argv[1], 'study.json').read_text()\n"
    "  study.run(identity.from_json(text), sys.argv[1] + '/work')\n"
  )
  process = subprocess.Popen(
    [sys.executable, script, tmp_path],
    env={**os.environ, "PYTHONPATH": str(pathlib.Path.cwd())},
  )
  listed = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
  if not listed.is_file():
    process.kill()
    pytest.skip("this system does not list a process's children")

  def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
      time.sleep(0.2)
    return condition()

  begun = lambda: len(list((tmp_path / "work" / "runs").glob("*"))) == 2
  assert until(begun, 120)
  children = listed.read_text().split()
  assert len(children) >= 2
  process.kill()
  process.wait()
  alive = lambda: [c for c in children if pathlib.Path("/proc", c).exists()]
  assert until(lambda: not alive(), 30)


@pytest.mark.slow
def test_processes_give_what_one_process_gives(tmp_path):
  for workers in (1, 2):
    config = validate.validate(small(GRID, workers=workers))
    study.run(config, tmp_path / str(workers))
  one, two = (
    tables.read(tmp_path / w, "tradeoff").sort_values(verdicts.CELL)
    for w in "12"
  )
  pd.testing.assert_frame_equal(
    one.reset_index(drop=True), two.reset_index(drop=True)
  )


@pytest.mark.parametrize(
  "change, said",
  [
    (lambda c: c.bases.__delattr__("digits"), "bases is empty"),
    (lambda c: c.update(cells=()), "cells is empty"),
    (lambda c: c.update(workers=-1), "workers is -1; take at least 1"),
    (lambda c: c.update(question="tradeof"), "did you mean 'tradeoff'"),
    (lambda c: c.update(cells=(cell(base="digts"),)), "mean 'digits'"),
    (lambda c: c.update(cells=({"base": "digits"},)), "must have the keys"),
    (lambda c: c.update(cells=(cell(), cell())), "are the same experiment"),
    (
      lambda c: c.update(cells=(cell(), {"labels": {}, "base": "digits"})),
      "labelled unlike the first",
    ),
    (
      lambda c: c.update(cells=(cell("gaussian", -1.0),)),
      "cell .*gaussian.*scale is -1.0",
    ),
    (
      lambda c: c.update(cells=(cell(**{"train.epoch": 1}),)),
      "Did you mean 'epochs'",
    ),
  ],
)
def test_bad_studies_are_refused_in_one_sentence(change, said):
  config = small((cell(),))
  with config.unlocked():
    change(config)
  with pytest.raises(ValueError, match=said):
    validate.validate(config)


def test_one_description_is_one_object_and_so_one_program():
  build = registry.build

  def maker(*, sizes: tuple[int, ...] = (), scale: float = 1.0):
    return object()

  known = {"maker": maker}
  first = build("thing", known, "maker", sizes=[1, 2])
  assert build("thing", known, "maker", sizes=(1, 2)) is first
  assert build("thing", known, "maker", sizes=(1, 3)) is not first
  one, other = (
    split.at(
      models.build("mlp", 10, hidden=(8,)), 1, 2, defenses.build(name, **own)
    )
    for name, own in (("mid", {"weight": 0.1}), ("gaussian", {"scale": 0.1}))
  )
  assert one.bottom is other.bottom and one.top is not other.top


def measured(utilities, leakages):
  return pd.Series(
    {
      "utilities": pd.Series(utilities, dtype=float),
      "leakages": pd.Series(leakages, dtype=float),
      "leakage": np.mean(leakages),
    }
  )


@pytest.mark.parametrize(
  "utility, leakage, verdict",
  [
    ((0.01, 0.011), (-0.2, -0.21), "dominates"),
    ((0.001, -0.001), (-0.2, -0.21), "dominates"),
    # nobody knows what it costs
    ((0.01, -0.01), (-0.2, -0.21), "not told apart"),
    ((-0.1, -0.101), (-0.2, -0.21), "trade-off"),
    ((0.01, -0.01), (0.2, -0.21), "not told apart"),
    ((-0.1, -0.101), (0.2, -0.21), "not told apart"),
    ((-0.1, -0.101), (0.001, -0.001), "dominated"),
    ((-0.1, -0.101), (0.2, 0.2), "dominated"),
  ],
)
def test_verdicts_are_of_paired_differences(utility, leakage, verdict):
  base = measured((0.5, 0.9), (0.3, 0.7))  # far apart: pairing is all
  moved = measured(
    base["utilities"] + np.array(utility), base["leakages"] + np.array(leakage)
  )
  found = verdicts.verdict(moved, base)
  assert found["verdict"] == verdict
  assert found["utility"] == pytest.approx(np.mean(utility))
  assert found["leakage"] == pytest.approx(np.mean(leakage))


def test_seeds_are_paired_by_their_numbers():
  base = measured((0.5, 0.7, 0.9), (0.3, 0.3, 0.3))
  lost = pd.Series({0: 0.6, 2: 1.0})  # seed 1 came to no result
  moved = pd.Series({"utilities": lost, "leakages": base["leakages"]})
  found = verdicts.verdict(moved, base)
  assert found["utility_low"] == pytest.approx(0.1)
  assert found["verdict"] == "dominates"


def test_of_two_that_leak_nothing_neither_is_better():
  base = measured((0.5, 0.9), (-0.1, -0.11))
  moved = measured((0.5, 0.9), (-0.5, -0.501))
  assert verdicts.verdict(moved, base)["verdict"] == "not told apart"
  assert verdicts.verdict(base, moved)["verdict"] == "not told apart"
  leaks = measured((0.5, 0.9), (0.1, 0.101))
  assert verdicts.verdict(moved, leaks)["verdict"] == "dominates"


def test_leakage_is_the_largest_advantage_over_the_strongest_control():
  key = dict(data="d", defense="none", strength="", advance=0)
  about = dict(party=0, rows="train", metric="accuracy", primary=True, draw=0)
  values = {
    ("passive_completion", "attack"): (0.8, 0.9),
    ("passive_completion", "no-VFL"): (0.3, 0.4),
    ("passive_completion", "features only"): (0.5, 0.6),
    ("direction", "attack"): (0.7, 0.5),
    ("direction", "features only"): (0.5, 0.6),
    # chosen by the labels: no claim
    ("direction (oracle)", "attack"): (1.0, 1.0),
    ("direction (oracle)", "features only"): (0.0, 0.0),
    # one lucky seed is no claim either
    ("norm", "attack"): (1.0, float("nan")),
    ("norm", "features only"): (0.0, float("nan")),
  }
  attacks = pd.DataFrame(
    [
      {**key, **about, "attack": a, "rule": a.removesuffix(" (oracle)")}
      | {"what": w, "seed": seed, "value": value}
      for (a, w), both in values.items()
      for seed, value in enumerate(both)
    ]
  )
  main = pd.DataFrame(
    [
      {
        **key,
        "rows": "test",
        "metric": "accuracy",
        "primary": True,
        "mean": 0.7,
        "low": 0.6,
        "high": 0.8,
        "seeds": 2,
        "seed0": 0.65,
        "seed1": 0.75,
      }
    ]
  )
  exposure = pd.DataFrame(
    [
      {
        **key,
        "metric": "unexplained",
        "what": "attack",
        "rows": rows,
        "value": value,
      }
      for rows, value in (("test", 0.25), ("validation", 0.5))
    ]
  )
  cost = pd.DataFrame(
    [{**key, "stage": "wire", "up_bytes": 8, "down_bytes": 4}] * 2
  )
  row = answer_cells.measured(main, attacks, exposure, cost).iloc[0]
  assert row["completion"] == pytest.approx(0.3)
  assert row["gradient"] == pytest.approx(0.05)
  assert np.isnan(row["clustering"])
  assert row["leakage"] == row["completion"]
  assert row["attack"] == "passive_completion"
  assert row["exposed"] == 0.75 and row["up_bytes"] == 16
  assert row["utilities"].tolist() == [0.65, 0.75]


def test_verdicts_follow_from_the_file_of_all_cells(tmp_path):
  cell = dict(data="d", defense="none", strength="", metric="accuracy")
  cells = pd.DataFrame(
    [
      {
        **cell,
        **measured((0.5, 0.52 + advance / 10, 0.5), (0.3, 0.31, 0.3)),
        "advance": advance,
        "exposed": 0.5,
      }
      for advance in (0, 1)
    ]
  )
  cells.at[1, "utilities"] = cells.at[1, "utilities"].drop(1)
  tables.write(tmp_path, "tradeoff", answer_cells.spread(cells))
  again = answer_cells.gathered(tables.read(tmp_path, "tradeoff"))
  assert again.columns.sort_values().equals(cells.columns.sort_values())
  assert verdicts.advances(again) == verdicts.advances(cells)


def test_what_no_attack_answered_in_is_said():
  main = pd.DataFrame(
    [
      dict(zip(verdicts.CELL, ("d", "none", strength, 0), strict=True))
      for strength in ("", "24")
    ]
  )
  (said,) = tradeoff.silent(main, main[:1])
  assert said["text"].startswith("In 1 experiments no attack")
  assert said["detail"] == "d, none, 24, 0"
  assert tradeoff.silent(main, main) == []


def test_what_came_to_no_result_is_named_beside_the_answer():
  cell = dict(data="d", defense="gaussian", metric="accuracy", attacks=1)
  cells = pd.DataFrame(
    [
      {
        **cell,
        **measured((0.5, 0.5), (0.3, 0.3)),
        "strength": "0.1",
        "advance": advance,
        "utility": 0.5,
        "exposed": 0.5,
      }
      for advance in (0, 1)
    ]
  )
  steps = pd.DataFrame(verdicts.advances(cells))
  failed = pd.DataFrame(
    [dict(data="d", defense="gaussian", strength=1.0, advance=0, reason="NaN")]
  )
  (said,) = verdicts.findings(cells, steps, failed)
  assert said["detail"].endswith("they came to no result: gaussian 1.0")
  (said,) = verdicts.findings(cells, steps, pd.DataFrame())
  assert "no result" not in said["detail"]


def test_few_wins_are_no_yes():
  told = ["dominates"] * 3 + ["not told apart"] * 7
  part = pd.DataFrame({"advance": 3, "verdict": told})
  part = part.assign(utility_low=0.0, utility=0.0, leakage=0.0, exposed=0.0)
  for verdict, word in (
    ("not told apart", "Not clearly"),
    ("dominated", "Mos"),
  ):
    part.loc[3:, "verdict"] = verdict
    text, _ = verdicts._answer("Does it", part)
    assert text.startswith(f"Does it? {word}")


def test_strengths_are_texts_in_tables_of_any_length(tmp_path):
  rows = [{"strength": "24", "value": i / 7} for i in range(40000)]
  rows += [{"strength": "along", "value": 0.5}] * 40000
  tables.write(tmp_path, "all_attacks", rows)
  found = tables.read(tmp_path, "all_attacks")["strength"]
  assert set(found) == {"24", "along"}


def test_the_front_holds_what_nothing_beats():
  cells = pd.DataFrame(
    {
      "utility": [0.9, 0.8, 0.8, 0.7, 0.9],
      "leakage": [0.3, 0.1, 0.2, 0.1, 0.3],
    }
  )
  assert page_tradeoff.front(cells).index.tolist() == [0, 4, 1]
  cells["leakage"] -= 0.2  # what is below zero leaks nothing
  assert page_tradeoff.front(cells).index.tolist() == [0, 4, 1, 2]
