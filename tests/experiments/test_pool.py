"""The pool of processes: shares, deaths, interruptions."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import threadpoolctl

from vfl_jax.experiments import pool

ROOT = pathlib.Path(__file__).resolve().parents[2]


def written(task):
  """In the place of an experiment: does what its config says."""
  what = task.config
  if what == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
  if what == "fails":
    raise ValueError("no luck")
  task.folder.mkdir(parents=True, exist_ok=True)
  if what == "sleeps":
    (task.folder / "begun").write_text(str(os.getpid()))
    time.sleep(100)
  if what == "dies once" and not (task.folder / "before").exists():
    (task.folder / "before").touch()
    os.kill(os.getpid(), signal.SIGKILL)
  assert np.ones(1)  # its threads counted cores when it was imported
  cores = sorted(os.sched_getaffinity(0))
  threads = [p["num_threads"] for p in threadpoolctl.threadpool_info()]
  seen = {"pid": os.getpid(), "cores": cores, "threads": max(threads)}
  (task.folder / "out").write_text(json.dumps(seen))
  print("printed")
  os.system("echo by another program")


def serve(pipe, cores):
  """`_serve`, with the above."""
  pool._dispatch = written
  SERVE(pipe, cores)


SERVE = pool._serve


@pytest.fixture
def workers(monkeypatch):
  monkeypatch.setattr(pool, "_serve", serve)
  monkeypatch.setattr(pool, "_dispatch", written)
  monkeypatch.setenv("PYTHONPATH", str(ROOT))


def carried_out(tmp_path, whats, workers, log=None):
  """Why each task failed, by its name, in the order in which they ended."""
  answers = {}
  pool.run(
    [pool.Task(what, tmp_path / f"{k}", log) for k, what in enumerate(whats)],
    workers,
    lambda task, reason: answers.update({int(task.folder.name): reason}),
  )
  return answers


@pytest.mark.skipif(
  not hasattr(os, "sched_setaffinity"), reason="no affinity here"
)
def test_processes_share_the_cores_and_are_used_again(workers, tmp_path):
  available = pool.cores()
  answers = carried_out(tmp_path, ["runs"] * 4, 2)
  assert answers == dict.fromkeys(range(4), "")
  seen = [json.loads((tmp_path / f"{k}" / "out").read_text()) for k in range(4)]
  processes = {line["pid"] for line in seen}
  assert os.getpid() not in processes and len(processes) <= 2
  for line in seen:
    assert line["cores"] in (available[::2], available[1::2])
    assert line["threads"] <= len(line["cores"])  # those of numpy too


def test_without_workers_it_is_this_process(workers, tmp_path):
  assert carried_out(tmp_path, ["runs", "fails"], 0) == {
    0: "",
    1: "ValueError: no luck",
  }
  assert json.loads((tmp_path / "0" / "out").read_text())["pid"] == os.getpid()


def test_what_fails_or_dies_stops_no_other(workers, tmp_path):
  whats = ["dies", "runs", "fails", "dies once", "runs", "runs"]
  answers = carried_out(tmp_path, whats, 2)
  assert {k for k, reason in answers.items() if not reason} == {1, 3, 4, 5}
  assert answers[2] == "ValueError: no luck"
  assert "process died (SIGKILL)" in answers[0]
  assert {*list(answers)[-2:]} == {0, 3}  # tried again after all others


def test_a_log_takes_all_that_is_printed(workers, tmp_path, capfd):
  log = tmp_path / "logs" / "log"
  carried_out(tmp_path, ["runs", "fails"], 1, log)
  assert log.read_text().splitlines() == [
    "printed",
    "by another program",
    "error: no luck",
  ]
  assert capfd.readouterr().out == ""


SCRIPT = """
import pathlib, sys
from tests.experiments import test_pool
from vfl_jax.experiments import pool

if __name__ == "__main__":
  pool._serve = test_pool.serve
  folder = pathlib.Path(sys.argv[1])
  tasks = [pool.Task("sleeps", folder / f"{k}") for k in range(6)]
  try:
    pool.run(tasks, 2, lambda task, reason: print("ended", task, reason))
  except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL, "terminal"])
def test_all_end_with_the_one_that_asked(tmp_path, blow):
  """Ctrl-C, which a terminal sends to the whole group, or a killed parent."""
  script = tmp_path / "script.py"
  script.write_text(SCRIPT)
  process = subprocess.Popen(
    [sys.executable, script, tmp_path],
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )
  begun = []
  try:
    for _ in range(1200):
      begun = list(tmp_path.glob("*/begun"))
      if len(begun) == 2 and all(p.read_text() for p in begun):
        break
      time.sleep(0.05)
    if blow == "terminal":
      os.killpg(process.pid, signal.SIGINT)
    else:
      process.send_signal(blow)
    printed, _ = process.communicate(timeout=20)
  finally:
    process.kill()
  assert len(begun) == 2
  for _ in range(100):
    if not any(_alive(int(p.read_text())) for p in begun):
      break
    time.sleep(0.05)
  assert not any(_alive(int(p.read_text())) for p in begun)
  assert len(list(tmp_path.glob("*/begun"))) == 2  # no other has begun
  if blow != signal.SIGKILL:
    assert process.returncode == 130
    assert printed == ""


def _alive(pid):
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  return True
