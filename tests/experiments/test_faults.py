"""What becomes of a run when the machine fails it."""

import contextlib
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest

from configs.shared import common
from vfl_jax.config import files
from vfl_jax.config import schema
from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments.validation import validate
from vfl_jax.results import files as result_files
from vfl_jax.results import pages
from vfl_jax.results import status
from vfl_jax.results import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ("--config=configs/default.py:step", "--config.train.epochs=3")


def main(workdir, *flags, **options):
  return subprocess.run(
    [sys.executable, "main.py", f"--workdir={workdir}", *FLAGS, *flags],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=400,
    **options,
  )


@contextlib.contextmanager
def mounted(folder, *options):
  """A small file system of its own; skips where none can be mounted."""
  folder.mkdir()
  command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
  if os.geteuid() or not shutil.which("mount"):
    pytest.skip("only root mounts file systems")
  done = subprocess.run(command, capture_output=True, text=True)
  if done.returncode:
    pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
  try:
    yield folder
  finally:
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_run_goes_on(tmp_path):
  quiet = tmp_path / "quiet"
  assert main(quiet).returncode == 0
  with mounted(tmp_path / "small", "-o", "size=64m") as folder:
    workdir, ballast = folder / "run", folder / "ballast"
    for room in (8_000, 60_000, 250_000):
      free = shutil.disk_usage(folder).free
      ballast.write_bytes(bytes(max(free - room, 0)))
      done = main(workdir)
      assert done.returncode in (1, 2), done.stdout
      assert "Traceback" not in done.stderr, done.stderr
      assert "is full" in done.stderr or "cannot be written" in done.stderr
      assert not status.finished(workdir)
      ballast.unlink()
    assert main(workdir).returncode == 0
    for name in tables.TABLES:
      pd.testing.assert_frame_equal(
        tables.read(quiet, name), tables.read(workdir, name), check_exact=True
      )


@pytest.mark.slow
def test_a_read_only_folder_is_refused_before_anything(tmp_path):
  with mounted(tmp_path / "fixed", "-o", "ro") as folder:
    started = time.monotonic()
    done = main(folder / "run")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_a_corrupt_table_is_named_and_measured_anew(tmp_path):
  config = common.experiment("tiny", "step")
  files.assign(config, {"compensation": (), "information.estimators": ()})
  config = validate.validate(config)
  experiment.run(config, tmp_path)
  sound = tables.read(tmp_path, "main")
  path = tmp_path / "tables" / "main.csv"
  for rubbish in (b"\x00\xff\xfe" * 99, b'a,b\n1,2,3\n"'):
    path.write_bytes(rubbish)
    (tmp_path / "status.json").unlink()
    with pytest.raises(lifecycle.Stopped, match=r"main\.csv is not a readable"):
      experiment.run(config, tmp_path)
    assert status.status(tmp_path)["state"] == "failed"
    path.unlink()
    experiment.run(config, tmp_path)
    pd.testing.assert_frame_equal(sound, tables.read(tmp_path, "main"))


def test_a_write_that_fails_leaves_the_file_of_before(tmp_path, monkeypatch):
  path = tmp_path / "table.csv"
  result_files.write_text(path, "before")

  def full(handle):
    raise OSError(errno.ENOSPC, "no space left")

  monkeypatch.setattr(os, "fsync", full)
  with pytest.raises(OSError, match="no space"):
    result_files.write_text(path, "after")
  assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_torn_status_is_no_status(tmp_path):
  status.set_status(tmp_path, "done", cut=3)
  path = tmp_path / "status.json"
  path.write_bytes(path.read_bytes()[:10])
  assert status.status(tmp_path) == {}
  assert not status.finished(tmp_path)


def test_two_processes_in_one_folder_are_one_too_many(tmp_path):
  config = schema.defaults()
  with (
    status.hold(tmp_path),
    pytest.raises(lifecycle.Refused, match="another process is at work"),
  ):
    lifecycle.complete(config, tmp_path, None, lambda *_: None)


def test_who_only_looks_whether_a_run_is_held_keeps_nobody_from_it(tmp_path):
  """A launcher looks twice a second, also while the run begins."""
  (tmp_path / ".lock").touch()
  code = (
    "import sys\nfrom vfl_jax.results import status\n"
    "print('looking', flush=True)\n"
    "while True: status.held(sys.argv[1])"
  )
  with subprocess.Popen(
    [sys.executable, "-c", code, str(tmp_path)],
    cwd=ROOT,
    stdout=subprocess.PIPE,
  ) as looking:
    assert looking.stdout.readline()
    got = []
    for _ in range(200):
      with status.hold(tmp_path) as mine:
        got.append(mine)
    looking.kill()
  assert all(got)


def test_a_clock_that_goes_backwards_harms_nothing(tmp_path, monkeypatch):
  now = [2e9]

  def back():
    now[0] -= 3600
    return now[0]

  monkeypatch.setattr(time, "time", back)
  monkeypatch.setattr(pages, "write", lambda w: w / "report.html")
  lifecycle.complete(schema.defaults(), tmp_path, None, lambda *_: None)
  assert status.status(tmp_path)["state"] == "done"
  assert status.status(tmp_path)["seconds"] >= 0
