"""What a notebook uses, and what a run shows while it works."""

import struct
import subprocess
import sys

import numpy as np
import pytest

import vfl_jax
from vfl_jax.experiments import progress
from vfl_jax.experiments.validation import validate
from vfl_jax.experiments import dispatch
from vfl_jax.results import log
from vfl_jax.results import tensorboard


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A tiny run of two seeds and two epochs, by the public names alone."""
  config = vfl_jax.defaults()
  config.update(seeds=2, compensation=())
  config.train.update(epochs=2, steps_per_epoch=2)
  config.information.update(estimators=(), samples=100)
  config.evaluate.update(attack_steps=2, ceiling_steps=2)
  folder = tmp_path_factory.mktemp("run")
  lines = []

  class Watcher(progress.Silent):
    def epoch(self, line):
      lines.append(line)

  return vfl_jax.run(config, folder, Watcher()), lines


def events(folder):
  """`(tag, step, value)` of every scalar in the event files of a folder."""
  from tensorboardX.proto import event_pb2

  for path in sorted(folder.glob("events.*")):
    data = path.read_bytes()
    while data:  # length, its checksum, the event, its checksum
      (size,) = struct.unpack("<Q", data[:8])
      event = event_pb2.Event.FromString(data[12 : 12 + size])
      data = data[16 + size :]
      for value in event.summary.value:
        yield value.tag, event.step, value.simple_value


def test_every_public_name_is_there_and_documented():
  for name in vfl_jax.__all__:
    assert getattr(vfl_jax, name).__doc__, name
  assert set(vfl_jax.__all__) <= set(dir(vfl_jax))
  with pytest.raises(AttributeError, match="no attribute 'attack'"):
    _ = vfl_jax.attack


def test_a_result_has_tables_figures_and_the_federation(finished):
  result, _ = finished
  assert {"main", "leakage", "training"} <= set(result.tables)
  assert (result.table("main")["mean"] >= 0).all()
  assert all(p.stat().st_size > 1000 for p in result.figures.values())
  assert result.report.is_file() and "leakage" in repr(result)
  run = result.load()
  logits = run.predict(run.federation.dataset.test.inputs)
  assert logits.shape[::2] == (2, 10)
  with pytest.raises(ValueError, match=r"no table 'mian'; it has .*main"):
    result.table("mian")


def test_a_folder_without_a_finished_run_is_no_result(tmp_path):
  with pytest.raises(ValueError, match="holds no finished run"):
    vfl_jax.Result(tmp_path)


def test_curves_are_those_of_the_metrics(finished):
  result, lines = finished
  folder = tensorboard.export(result.workdir)
  found = {(tag, step): value for tag, step, value in events(folder)}
  assert lines == log.read_metrics(result.workdir)
  for line in lines:
    step = line["epoch"]
    for quantity in ("loss", "accuracy", "validation"):
      mean = found[f"{quantity}/mean", step]
      assert mean == pytest.approx(np.mean(line[quantity]), rel=1e-6)
      for seed, value in enumerate(line[quantity]):
        assert found[f"{quantity}/seed_{seed}", step] == pytest.approx(value)
  with pytest.raises(ValueError, match="no metrics of a training"):
    tensorboard.export(result.workdir / "tables")


def test_progress_is_silent_where_nobody_watches_and_tells_the_board():
  code = """
class Board:
  def epoch(self, line): print("epoch", line["epoch"])
  def close(self): print("closed")
from vfl_jax.experiments import progress
with progress.Progress(Board()) as progress:
  progress.phase("train", 2)
  for epoch in range(2):
    progress.epoch({"epoch": epoch, "loss": [1.0], "validation": [0.5]})
  progress.say("a line")
  progress.finish()
"""
  out = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  )
  assert out.stdout.split("\n") == [
    "epoch 0",
    "epoch 1",
    "a line",
    "closed",
    "",
  ]


@pytest.mark.parametrize(
  "spec",
  [
    "configs/default.py:step",
    "configs/calibration.py:step",
    "configs/paper/cut_sweep.py:step",
    "configs/audit.py:step",
  ],
)
def test_every_kind_says_what_it_would_do(spec, capsys, request, monkeypatch):
  if "paper" in spec:
    monkeypatch.setenv("TFDS_DATA_DIR", request.getfixturevalue("tfds_dir"))
  dispatch.dry_run(validate.validate(vfl_jax.load_config(spec)))
  assert capsys.readouterr().out.strip()
