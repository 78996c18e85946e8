"""Runs that are killed, damaged or diverged, and run again."""

import multiprocessing
import random
import shutil
import time
import jax
import numpy as np
import pandas as pd
import pytest
from vfl_jax import data
from vfl_jax.experiments import checkpoints
from vfl_jax.experiments import experiment
from vfl_jax.experiments import journal
from vfl_jax.experiments import lifecycle
from vfl_jax.results import log
from vfl_jax.results import status as result_status
from vfl_jax.results import tables
from vfl_jax.runtime import mesh
from tests.helpers import tiny


def test_running_again_does_nothing_and_another_config_is_refused(finished):
  before = (finished / "report.html").stat().st_mtime_ns
  experiment.run(tiny.tiny(), finished)
  assert (finished / "report.html").stat().st_mtime_ns == before
  with pytest.raises(lifecycle.Refused, match="belongs to another config"):
    experiment.run(tiny.tiny(train__epochs=2), finished)


def test_a_file_that_changed_is_not_what_the_run_was_made_of(tmp_path):
  path = tmp_path / "mine.csv"
  path.write_text("a,b,label\n" + "1,1,0\n2,2,1\n" * 100)
  config, work = tiny.tiny(data__path=str(path)), []

  def run():
    lifecycle.complete(
      config,
      tmp_path / "run",
      None,
      lambda *_: work.append(1),
      page=lambda workdir: workdir / "report.html",
    )

  run()
  status = result_status.status(tmp_path / "run")
  assert status["data"] == data.digest(config.data) != ""
  run()  # finished before, whatever it left
  content = path.read_text()
  path.write_text(content + "3,3,1\n")
  with pytest.raises(
    lifecycle.Refused, match="have changed since it was begun"
  ):
    run()
  path.unlink()  # a run is finished without its data
  lifecycle.claim(config, tmp_path / "run")
  path.write_text(content)
  lifecycle.claim(config, tmp_path / "run")


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


# orbax reads arrays at once; of those that fail it waits for the first only
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
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
    step, found = next(opened.restored(state))
  assert step == 2
  np.testing.assert_array_equal(found["a"], state["a"] + 2)
  with pytest.warns(UserWarning), pytest.raises(ValueError, match="not fit"):
    next(opened.restored({"a": np.zeros(4)}))
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
def test_runs_killed_at_eight_moments_end_bit_identical(tmp_path):
  """Two runs, each killed while it trains, probes, attacks and reports."""
  context = multiprocessing.get_context("forkserver")
  context.set_forkserver_preload(["tests.helpers.tiny"])

  def run(workdir):
    return context.Process(target=tiny.main, args=(workdir,))

  def to_its_end(workdir):
    process = run(workdir)
    process.start()
    process.join()
    assert process.exitcode == 0

  quiet = tmp_path / "quiet"
  to_its_end(quiet)
  seed = random.randrange(10**6)  # other moments each time
  moments = random.Random(seed)
  landed = dict.fromkeys(PHASES, 0)
  for number in range(2):
    killed = tmp_path / f"killed{number}"
    for phase in PHASES:
      # in the last phase a second is all there is
      delay = moments.uniform(0.0, 0.5 if phase == "reporting" else 2.0)
      landed[phase] += killed_in(run(killed), phase, killed, delay)
    to_its_end(killed)
    print("moments of seed", seed)  # shown where it fails
    same_run(quiet, killed)
  assert sum(landed.values()) >= 6, (seed, landed)


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
    if step == 2 and "optimizer" in state:
      raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints.Checkpoints, "save", stop)
    patch.setattr(journal, "SHARE", np.inf)  # after every epoch
    with pytest.raises(KeyboardInterrupt):
      experiment.run(config, parts)
  assert len(log.read_metrics(parts)) == 2
  experiment.run(config, parts)
  for name in tables.TABLES:
    pd.testing.assert_frame_equal(
      tables.read(finished, name), tables.read(parts, name), check_exact=True
    )


def test_a_save_holds_what_was_there_when_it_was_asked_for(tmp_path):
  """It goes on while the program changes, or frees, what it was given."""
  state = {"a": np.arange(50_000.0), "none": np.zeros((0, 3)), "n": np.int32(4)}
  saved = checkpoints.Checkpoints(tmp_path)
  saved.save(1, state)
  state["a"][:] = -1.0
  saved.close()
  opened = checkpoints.Checkpoints(tmp_path)
  step, found = next(opened.restored(state))
  opened.close()
  assert step == 1 and found["none"].shape == (0, 3) and found["n"] == 4
  np.testing.assert_array_equal(found["a"], np.arange(50_000.0))


def epochs(written, clock, seconds, count, kept):
  """The epochs whose state was saved, of so many that take so long each."""
  saved = []
  written._files.states.save = lambda done, state: saved.append(done)
  for epoch in range(count):
    clock[0] += seconds
    line = {"epoch": epoch, "loss": [1.0]}
    written.write(line, {"w": np.ones(3)}, kept, last=epoch + 1 == count)
  return saved


def test_saving_takes_its_share_of_the_training_and_the_end_is_saved(
  tmp_path, monkeypatch
):
  clock = [0.0]
  monkeypatch.setattr(journal.time, "monotonic", lambda: clock[0])
  kept = {"messages": {}, "snapshots": {}}
  written = journal.Journal(tmp_path, mesh.Layout())
  monkeypatch.setattr(journal, "SHARE", 0.05)
  written._cost = 0.5  # seconds a save: one in ten seconds of training
  saved = epochs(written, clock, 1.0, 35, kept)
  assert saved == [10, 20, 30, 35]
  written.close()


def test_what_was_recorded_is_saved_once_and_must_be_whole(tmp_path):
  state = {"w": np.ones(3)}
  entry = lambda value: {"g": np.full(4, value)}
  empty = {
    "messages": {"0": entry(0.0), "2": entry(0.0)},
    "snapshots": {"2": entry(0.0)},
  }
  written = journal.Journal(tmp_path, mesh.Layout())
  kept = {kind: dict(entries) for kind, entries in empty.items()}
  for epoch in range(4):
    if str(epoch) in kept["messages"]:
      kept["messages"][str(epoch)] = entry(10.0 + epoch)
    if str(epoch + 1) in kept["snapshots"]:
      kept["snapshots"][str(epoch + 1)] = entry(20.0)
    line = {"epoch": epoch, "loss": [1.0]}
    written.write(line, state, kept, last=epoch in (1, 3))
  written.close()
  folders = sorted(p.name for p in (tmp_path / "recorded").iterdir())
  assert folders == ["1", "2", "3"]  # epochs done
  done, _, found = journal.load(tmp_path, state, empty)
  assert done == 4
  jax.tree.map(np.testing.assert_array_equal, found, kept)
  shutil.rmtree(tmp_path / "recorded" / "3")  # not of what epoch 2 stands on
  with pytest.warns(UserWarning, match="checkpoint 3 is damaged"):
    done, _, found = journal.load(tmp_path, state, empty)
  assert done == 2 and (found["messages"]["2"]["g"] == 0).all()
