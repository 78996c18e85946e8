"""Seeds with data splits of their own: what is drawn, joined, resumed."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.helpers import tiny
from vfl_jax.experiments import dispatch
from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import measurements
from vfl_jax.experiments import resplit
from vfl_jax.experiments.validation import validate
from vfl_jax.results import status
from vfl_jax.results import tables


def config(**overrides):
  made = tiny.tiny(
    data__resplit=True, information__epochs=(), information__noise=0.0
  )
  made.seeds, made.compensation = 3, ()
  made.update(overrides)
  return validate.validate(made)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("resplit")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(resplit.pool, "room", lambda: 1)
    experiment.run(config(), workdir)
  return workdir


def test_every_seed_has_rows_of_its_own(finished):
  ids = [
    set(experiment.load(f).federation.dataset.train.ids.tolist())
    for f in sorted((finished / "seeds").iterdir())
  ]
  assert len(ids) == 3
  share = len(ids[0] & ids[1]) / len(ids[0])
  assert 0.05 < share < 0.5  # 300 of some 1,200 rows
  with pytest.raises(FileNotFoundError, match="load one of them"):
    experiment.load(finished)


def test_tables_are_those_of_the_seeds_joined(finished):
  folders = sorted((finished / "seeds").iterdir())
  for name in ("attacks", "training", "information"):
    whole = tables.read(finished, name)
    assert sorted(whole["seed"].unique()) == [0, 1, 2]
    for k, folder in enumerate(folders):
      own = tables.read(folder, name).assign(seed=k)
      mine = whole[whole["seed"] == k].reset_index(drop=True)
      pd.testing.assert_frame_equal(mine, own[mine.columns])
  main = tables.read(finished, "main").set_index(["rows", "metric"])
  each = [
    tables.read(f, "main").set_index(["rows", "metric"])["seed0"]
    for f in folders
  ]
  np.testing.assert_allclose(
    main[["seed0", "seed1", "seed2"]].to_numpy(), np.stack(each, 1), rtol=1e-5
  )
  np.testing.assert_allclose(main["mean"], np.mean(each, 0), rtol=1e-5)
  assert (main["low"] <= main["mean"]).all()


def test_intervals_are_over_the_splits(finished):
  leakage = tables.read(finished, "leakage")
  assert (leakage["seeds"] == 3).all()
  row = leakage[leakage["primary"]].iloc[0]
  attacks = tables.read(finished, "attacks")
  attacks = attacks[attacks["primary"] & (attacks["rows"] == row["rows"])]
  attacks = attacks[attacks["party"] == row["party"]]
  by_seed = attacks.pivot_table("value", "seed", "what", aggfunc="mean")
  gain = by_seed["attack"] - by_seed[row["control"]]
  assert row["advantage"] == pytest.approx(gain.mean(), abs=1e-5)
  half = 4.303 * gain.std() / np.sqrt(3)  # t of two degrees of freedom
  assert row["high"] - row["low"] == pytest.approx(2 * half, abs=1e-3)


def test_the_report_is_of_all_and_parts_point_to_it(finished):
  assert status.finished(finished)
  page = (finished / "seeds" / "0" / "report.html").read_text()
  assert "../../report.html" in page
  facts = status.status(finished)
  assert facts["sizes"]["train"] > 200 and facts["budgets"]


def test_a_seed_that_was_lost_is_measured_again_alone(
  finished, tmp_path, monkeypatch
):
  again = tmp_path / "again"
  shutil.copytree(finished, again)
  shutil.rmtree(again / "seeds" / "1")
  facts = json.loads((again / "status.json").read_text())
  (again / "status.json").write_text(json.dumps({**facts, "state": "failed"}))
  ran, run = [], measurements.run
  monkeypatch.setattr(resplit.pool, "room", lambda: 1)
  monkeypatch.setattr(
    measurements, "run", lambda bench: (ran.append(bench.workdir), run(bench))
  )
  experiment.run(config(), again)
  assert [path.name for path in ran] == ["1"]
  for name in ("attacks", "leakage", "main"):
    one, other = (f / "tables" / f"{name}.csv" for f in (finished, again))
    assert one.read_bytes() == other.read_bytes(), name


def test_a_mesh_over_seeds_is_refused():
  with pytest.raises(ValueError, match="data.resplit trains the seeds one by"):
    config(mesh={"data": 1, "seed": 3, "hosts": 1})


def test_curves_of_many_trainings_are_refused_with_the_way_to_them(tmp_path):
  with pytest.raises(lifecycle.Refused, match=r"results\.tensorboard .*/seeds"):
    dispatch.board(config(), str(tmp_path), True)
