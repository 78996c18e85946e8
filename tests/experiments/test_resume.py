"""Runs that are killed, damaged or diverged, and run again."""

import multiprocessing
import random
import shutil
import time
import jax
import numpy as np
import pandas as pd
import pytest
from vfl_jax.experiments import checkpoints
from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.results import log
from vfl_jax.results import status as result_status
from vfl_jax.results import tables
from tests.helpers import tiny


def test_running_again_does_nothing_and_another_config_is_refused(finished):
  before = (finished / "report.html").stat().st_mtime_ns
  experiment.run(tiny.tiny(), finished)
  assert (finished / "report.html").stat().st_mtime_ns == before
  with pytest.raises(lifecycle.Refused, match="belongs to another config"):
    experiment.run(tiny.tiny(train__epochs=2), finished)


@pytest.mark.usefixtures("without_figures")
def test_a_kill_before_the_report_is_made_good(finished, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(finished, copy)
  (copy / "report.html").unlink()
  (copy / "tables" / "cost.csv").unlink()
  experiment.run(tiny.tiny(), copy)
  assert (copy / "report.html").is_file() and tables.exists(copy, "cost")


def test_weights_that_overflow_are_never_saved(tmp_path):
  """A finite loss may still leave an update that is not."""
  config = tiny.tiny(train__learning_rate=3e38, train__weight_decay=1e3)
  config.model.norm = "none"
  config.train.steps_per_epoch = 1  # a second one would end the loss too
  with pytest.raises(lifecycle.Diverged, match="not finite in epoch 0"):
    experiment.run(config, tmp_path)
  assert not list((tmp_path / "checkpoints").glob("*"))


def test_divergence_keeps_what_it_had(tmp_path):
  config = tiny.tiny(train__learning_rate=1e30)
  with pytest.raises(lifecycle.Diverged, match="not finite"):
    experiment.run(config, tmp_path)
  assert result_status.status(tmp_path)["state"] == "diverged"
  assert (tmp_path / "metrics.jsonl").exists()


def test_a_damaged_checkpoint_falls_back_with_a_warning(tmp_path):
  state = {"a": np.arange(5.0), "b": (np.ones((2, 3), np.int32),)}
  saved = checkpoints.Checkpoints(tmp_path)
  for step in (1, 2, 3):
    saved.save(step, {**state, "a": state["a"] + step})
  saved.close()
  files = [
    p
    for p in (tmp_path / "3").rglob("*")
    if p.is_file() and p.stat().st_size > 60 and "d" in p.parts
  ]
  assert files
  for path in files:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  opened = checkpoints.Checkpoints(tmp_path)
  with pytest.warns(UserWarning, match="checkpoint 3 is damaged"):
    step, found = opened.restore(state)
  assert step == 2
  np.testing.assert_array_equal(found["a"], state["a"] + 2)
  with pytest.warns(UserWarning), pytest.raises(ValueError, match="not fit"):
    opened.restore({"a": np.zeros(4)})
  opened.close()


# a phase of a run, and the file that is there once it has begun
PHASES = {
  "training": "metrics.jsonl",
  "probing": "tables/main.csv",
  "attacking": "tables/compensation.csv",
  "reporting": "tables/leakage.csv",
}


def killed_in(process, phase, workdir, delay) -> bool:
  """Start the run and kill it in a phase; False if it ended before."""
  process.start()
  while process.is_alive() and not (workdir / PHASES[phase]).exists():
    time.sleep(0.01)
  # a run that begins in this phase has to get there first
  process.join(delay)
  killed = process.is_alive()
  process.kill()
  process.join()
  return killed


@pytest.mark.slow
def test_runs_killed_at_twenty_moments_end_bit_identical(tmp_path):
  """Five runs, each killed while it trains, probes, attacks and reports."""
  context = multiprocessing.get_context("forkserver")
  context.set_forkserver_preload(["tests.test_experiment"])

  def run(workdir):
    return context.Process(target=tiny.main, args=(workdir,))

  def to_its_end(workdir):
    process = run(workdir)
    process.start()
    process.join()
    assert process.exitcode == 0

  quiet = tmp_path / "quiet"
  to_its_end(quiet)
  moments = random.Random(0)
  landed = dict.fromkeys(PHASES, 0)
  for number in range(5):
    killed = tmp_path / f"killed{number}"
    for phase in PHASES:
      # in the last phase a second is all there is
      delay = moments.uniform(0.0, 0.5 if phase == "reporting" else 2.0)
      landed[phase] += killed_in(run(killed), phase, killed, delay)
    to_its_end(killed)
    same_run(quiet, killed)
  assert min(landed.values()) >= 3, landed
  assert sum(landed.values()) >= 18, landed


def same_run(quiet, killed):
  assert (quiet / "metrics.jsonl").read_text() == (
    killed / "metrics.jsonl"
  ).read_text()
  assert (killed / "report.html").is_file()
  for name in tables.TABLES:
    assert len(tables.read(killed, name)), name
    pd.testing.assert_frame_equal(
      tables.read(quiet, name), tables.read(killed, name), check_exact=True
    )
  a, b = (experiment.load(w).federation.variables for w in (quiet, killed))
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.usefixtures("without_figures")
def test_interrupted_training_resumes_to_the_same_state(
  finished, tmp_path, monkeypatch
):
  """The same in one process: stopped after its second epoch."""
  config, parts = tiny.tiny(), tmp_path / "parts"
  save = checkpoints.Checkpoints.save

  def stop(self, step, state):
    save(self, step, state)
    if step == 2:
      raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints.Checkpoints, "save", stop)
    with pytest.raises(KeyboardInterrupt):
      experiment.run(config, parts)
  assert len(log.read_metrics(parts)) == 2
  experiment.run(config, parts)
  for name in tables.TABLES:
    pd.testing.assert_frame_equal(
      tables.read(finished, name), tables.read(parts, name), check_exact=True
    )
