"""Sweeps: what is run, on what, what is shown, and what survives."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from launch import runs as launched
from launch import task
from launch import watch
from tests.helpers import slurm
from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.config import schema
from vfl_jax.experiments import pool
from vfl_jax.experiments import study
from vfl_jax.experiments.validation import validate
from vfl_jax.results import status as result_status
from vfl_jax.results import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
SWEEP = """
from vfl_jax import config as configs
from vfl_jax.config import files

def get_config(arg=""):
  base = configs.defaults()
  files.assign(base, {
    "seeds": 2, "data.train_size": 200, "data.test_size": 100,
    "data.active_features": True, "model.hidden": (8, 8), "train.epochs": 4,
    "information.estimators": (), "compensation": (),
    "attacks": ("passive_completion",),
    "evaluate.attack_steps": 2,
    "evaluate.ceiling_steps": 2,
  })
  config = configs.defaults("study")
  config.name = "tiny"
  config.bases.digits = base
  config.cells = tuple(
    {
      "labels": {
        "data": "digits", "defense": name, "strength": scale, "advance": 0
      },
      "base": "digits",
      "set": {"defenses": ({"name": name, "scale": float(scale)},)
              if scale else ()},
    }
    for name, scale in (("none", ""), ("gaussian", "0.001"), *ODD)
  )
  return config
"""
IMPOSSIBLE = ("gaussian", "-1.0")


def sweep(folder, odd=()):
  """A config file of two runs, and of others that cannot be."""
  path = folder / "sweep.py"
  path.write_text(SWEEP.replace("*ODD", f"*{odd!r}"))
  return path


def launch(config, workdir, *flags, environment=None, check=False):
  return subprocess.run(
    [
      *(sys.executable, "-m", "launch"),
      f"--config={config}",
      f"--workdir={workdir}",
      *flags,
    ],
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    timeout=600,
    check=check,
  )


def expanded(config, workdir):
  return launched.expand(files.load(str(config)), workdir)


# --- what is run ------------------------------------------------------------


def test_a_sweep_is_its_cells_and_shares_their_folders(tmp_path):
  config = files.load(str(sweep(tmp_path)))
  runs = launched.expand(config, tmp_path / "w")
  cells = study.cells(validate.validate(config))
  assert [r.folder for r in runs] == [
    study.folder(tmp_path / "w", cell).resolve() for cell in cells
  ]
  for run, cell in zip(runs, cells, strict=True):
    asked = files.load(str(run.spec))
    assert identity.digest(asked) == run.name == identity.digest(cell.asked)
    assert validate.validate(asked) == validate.validate(cell.asked)


def test_a_config_without_cells_is_one_run(tmp_path):
  (run,) = launched.expand(schema.defaults(), tmp_path)
  assert run.title == "digits_mlp"
  assert files.load(str(run.spec)) == schema.defaults()


def test_an_unknown_base_is_refused(tmp_path):
  config = files.load(str(sweep(tmp_path)))
  config.cells = ({**config.cells[0], "base": "digit"},)
  with pytest.raises(ValueError, match="'digit'; bases are digits"):
    launched.expand(config, tmp_path)


def test_nothing_here_imports_jax():
  code = (
    "import sys, pathlib, importlib;"
    "[importlib.import_module(f'launch.{p.stem}')"
    " for p in pathlib.Path('launch').glob('*.py')];"
    "assert not {'jax', 'flax', 'submitit', 'ray'} & set(sys.modules)"
  )
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- how it stands ----------------------------------------------------------


def test_states_are_read_off_the_folders(tmp_path):
  first, second = expanded(sweep(tmp_path), tmp_path)
  assert launched.state(first) == "waiting"
  result_status.set_status(first.folder, "running")
  assert launched.state(first) == "interrupted"
  with result_status.hold(first.folder) as free:
    assert free
    assert launched.state(first) == "running"
    assert [r.name for r in launched.left([first, second])] == [second.name]
  result_status.set_status(first.folder, "failed", reason="no luck")
  assert launched.state(first) == "failed"
  assert launched.last_lines(first) == ["no luck"]
  assert "no luck" in watch.trouble(first, "failed")
  result_status.set_status(second.folder, "diverged", reason="nan")
  assert [r.name for r in launched.left([first, second])] == [first.name]
  result_status.set_status(first.folder, "done")
  assert launched.state(first) == "interrupted"  # no report yet
  (first.folder / "report.html").write_text("")
  assert launched.state(first) == "done"


def test_what_is_refused_before_it_begins_counts_as_failed(tmp_path):
  run, _ = expanded(sweep(tmp_path), tmp_path)
  assert launched.ended(run, "") == "waiting"
  assert launched.ended(run, "model.cut is 99.") == "failed"
  assert launched.last_lines(run) == ["model.cut is 99."]


def test_only_one_process_holds_a_folder(tmp_path):
  with result_status.hold(tmp_path) as mine:
    assert mine
    assert result_status.held(tmp_path)
    with result_status.hold(tmp_path) as other:
      assert not other
  assert not result_status.held(tmp_path)


@pytest.mark.parametrize(
  "flags, said",
  [
    (["--workers=-1"], "--workers is -1; take 0 or more."),
    (["--option=time"], "write --option=KEY=VALUE"),
    (["--option=time=3"], "takes no options"),
    (["--backend=slrum"], "should be one of"),
    (["extra"], "unknown argument 'extra'"),
    (["--config.train"], "write --config.train=VALUE"),
    (["--config.cels=3"], "Did you mean 'cells'?"),
    (["--collect"], "there is nothing to join"),
  ],
)
def test_bad_flags_are_one_sentence(tmp_path, flags, said):
  done = launch(sweep(tmp_path), tmp_path / "w", *flags)
  assert done.returncode == 2
  assert said in done.stderr
  assert "Traceback" not in done.stderr


def test_printed_commands_are_those_that_are_left(tmp_path):
  path = sweep(tmp_path)
  runs = expanded(path, tmp_path / "w")
  result_status.set_status(runs[0].folder, "done")
  (runs[0].folder / "report.html").write_text("")
  done = launch(path, tmp_path / "w", "--backend=print", check=True)
  (line,) = done.stdout.splitlines()
  assert line.split()[1:] == runs[1].command[1:]


# --- on this machine --------------------------------------------------------


@pytest.mark.slow
def test_a_failed_run_stops_no_other_and_the_study_reads_the_rest(tmp_path):
  path, workdir = sweep(tmp_path, (IMPOSSIBLE,)), tmp_path / "w"
  done = launch(path, workdir, "--workers=2")
  assert done.returncode != 0
  assert "2 done" in done.stdout and "1 failed" in done.stdout
  assert "scale" in done.stdout  # why
  status = launch(path, workdir, "--status")
  assert status.returncode == 1 and "1 failed" in status.stdout

  path = sweep(tmp_path)
  done = launch(path, workdir, "--workers=2", check=True)
  assert (workdir / "report.html").is_file()
  assert launch(path, workdir, "--status").returncode == 0
  joined = launch(path, workdir, "--collect", check=True)
  frame = pd.read_parquet(workdir / "collected.parquet")
  assert f"{len(frame)} rows" in joined.stdout
  assert frame["run"].nunique() == 2
  assert {"main", "attacks", "leakage", "cost"} <= set(frame["table"])


@pytest.mark.slow
def test_a_study_with_failures_is_read_once_and_again_when_they_are_mended(
  tmp_path,
):
  path, workdir = sweep(tmp_path), tmp_path / "w"
  spoilt, sound = expanded(path, workdir)
  spoilt.folder.mkdir(parents=True)
  (spoilt.folder / "config.json").write_text("{}")  # somebody else's
  done = launch(path, workdir, "--workers=2")
  assert done.returncode == 1 and "1 failed" in done.stdout, done.stderr
  assert spoilt.log.read_text().count("error:") == 1  # tried once
  failed = lambda: list(tables.read(workdir, "failed").get("folder", ()))
  assert failed() == [spoilt.name]
  assert (workdir / "report.html").is_file()

  shutil.rmtree(spoilt.folder)
  collected = launch(path, workdir, "--collect")
  assert collected.returncode == 1 and not spoilt.folder.exists()
  launch(path, workdir, check=True)
  assert not failed()
  assert len(tables.read(workdir, "all_main")["seeds"]) == 2 * len(
    tables.read(sound.folder, "main")
  )
  again = launch(path, workdir, check=True)
  assert "finished before" in again.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """The runs of a sweep that nothing has disturbed."""
  folder = tmp_path_factory.mktemp("whole")
  launch(sweep(folder), folder / "w", "--workers=2", check=True)
  return folder / "w" / "runs"


@pytest.mark.slow
def test_a_killed_launcher_leaves_what_a_second_one_ends(tmp_path, whole):
  path = sweep(tmp_path)
  command = [
    *(sys.executable, "-m", "launch", f"--config={path}", "--workers=2"),
    f"--workdir={tmp_path / 'w'}",
  ]
  runs = expanded(path, tmp_path / "w")
  for blow in (signal.SIGKILL, signal.SIGINT):
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    assert _until(
      lambda: any((r.folder / "checkpoints").is_dir() for r in runs)
    )
    first.send_signal(blow)
    first.wait(60)
    assert _until(lambda: not any(result_status.held(r.folder) for r in runs))
    states = [launched.state(r) for r in runs]
    assert "interrupted" in states, (blow, states)
  together = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
  for process in together:
    process.wait(300)
  launch(path, tmp_path / "w", check=True)
  for run in runs:
    assert_same(run.folder, whole / run.name)


def assert_same(folder, other):
  """The same tables, byte by byte."""
  names = sorted(p.name for p in (other / "tables").iterdir())
  assert names == sorted(p.name for p in (folder / "tables").iterdir())
  for name in names:
    a, b = (p / "tables" / name for p in (folder, other))
    assert a.read_bytes() == b.read_bytes(), name


def _until(true, seconds=120):
  for _ in range(seconds * 20):
    if true():
      return True
    time.sleep(0.05)
  return False


def sleeps(pipe, cores):
  """In the place of a worker's process: it can be interrupted."""
  signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
  log = pipe.recv().log
  log.parent.mkdir()
  with log.open("w", buffering=1) as file:
    try:
      print("here", file=file)
      time.sleep(60)
    except KeyboardInterrupt:
      print("left", file=file)


def test_a_job_that_is_told_to_leave_ends_its_run_and_comes_again(
  tmp_path, monkeypatch
):
  pytest.importorskip("submitit")
  run = expanded(sweep(tmp_path), tmp_path)[0]
  monkeypatch.setenv("PYTHONPATH", str(ROOT))
  monkeypatch.setattr(pool, "_serve", sleeps)
  plain = [run.name, *map(str, (run.folder, run.spec, run.log))]
  job, again = task.Task(), []

  def told(*_):  # as submitit's handler does, in the midst of __call__
    again.append(job.checkpoint(plain))
    sys.exit()

  before = signal.signal(signal.SIGUSR2, told)

  def tell():
    _until(lambda: run.log.is_file() and run.log.read_text())
    os.kill(os.getpid(), signal.SIGUSR2)

  threading.Thread(target=tell).start()
  try:
    with pytest.raises(SystemExit):
      job(plain)
  finally:
    signal.signal(signal.SIGUSR2, before)
  assert again and again[0].args == (plain,)
  assert run.log.read_text() == "here\nleft\n"


# --- on a cluster -----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing())
def test_slurm_runs_an_array_and_a_requeued_job_ends_the_same(tmp_path, whole):
  pytest.importorskip("submitit")
  path = sweep(tmp_path)
  workdir = tmp_path / "w"
  runs = expanded(path, workdir)
  (tmp_path / "cluster").mkdir()
  with slurm.cluster(tmp_path / "cluster") as environment:

    def submitted(*flags):
      return launch(
        path,
        workdir,
        *("--backend=slurm", "--workers=1", "--option=time=30", *flags),
        environment=environment,
      )

    first = submitted("--option=cpus_per_task=1")
    assert "2 jobs submitted: array" in first.stdout, first.stderr
    again = submitted()
    assert "2 runs are queued already" in again.stdout
    assert _until(lambda: (runs[0].folder / "checkpoints").is_dir())
    job = (workdir / "slurm" / f"{runs[0].name}.job").read_text()
    slurm.ask(environment, "scontrol", "requeue", job)
    assert _until(lambda: launched.state(runs[0]) == "interrupted")
    told = lambda: slurm.ask(environment, "scontrol", "show", "job", job)
    assert "Restarts=1" in told()
    assert _until(
      lambda: (
        slurm.ask(environment, "scontrol", "release", job),
        all(launched.state(r) == "done" for r in runs),
      )[1],
      seconds=300,
    ), told()
  mode = stat.S_IMODE((workdir / "slurm").stat().st_mode)
  assert mode == 0o700
  for run in runs:
    assert_same(run.folder, whole / run.name)


@pytest.mark.slow
def test_ray_tries_again_when_a_worker_is_killed(tmp_path, whole):
  pytest.importorskip("ray")
  path = sweep(tmp_path)
  runs = expanded(path, tmp_path / "w")
  process = subprocess.Popen(
    [
      *(sys.executable, "-m", "launch", f"--config={path}", "--backend=ray"),
      *(f"--workdir={tmp_path / 'w'}", "--workers=1", "--option=num_cpus=1"),
    ],
    cwd=ROOT,
  )
  assert _until(lambda: (runs[0].folder / "checkpoints").is_dir())
  for pid in _workers_of_ray(process.pid):
    os.kill(pid, signal.SIGKILL)
  assert process.wait(400) == 0
  for run in runs:
    assert_same(run.folder, whole / run.name)


def _workers_of_ray(launcher: int) -> list[int]:
  """Processes that run our task."""
  if not shutil.which("ps"):
    pytest.skip("no ps")
  listed = subprocess.run(
    ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
  )
  return [
    int(line.split()[0])
    for line in listed.stdout.splitlines()[1:]
    if "ray::_work" in line and int(line.split()[0]) != launcher
  ]
