"""What a sweep costs beside its runs: two workers against runs one by one.

  python -m pytest tests/benchmarks/test_launch.py -s

Forty tiny experiments by two workers, over half of what they take one after
another on one core (estimated by every fourth of them); compiled programs
shared between runs, and each run compiling its own. Two cores or more.
"""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from launch import runs as launched
from vfl_jax.config import files

ROOT = pathlib.Path(__file__).resolve().parents[2]
SWEEP = """
from configs import default

def get_config(arg=""):
  config = configs.defaults("study")
  config.name, config.question = "tiny", "cuts"
  config.bases["digits"] = default.get_config("step")
  config.cells = tuple(
    {"labels": {"data": "digits", "number": k}, "base": "digits",
     "set": {"seed": 100 * k}}
    for k in range(int(arg))
  )
  return config
"""


# without the study's own report at the end, which is no run's
LAUNCH = """
import sys
from launch import local, runs
found = runs.expand(config.load(sys.argv[1], {}), sys.argv[2])
local.submit(found, 2, {}, lambda: None)
assert set(runs.states(found).values()) == {"done"}
"""


def alone(run, environment) -> float:
  """Seconds of one run on one core."""
  core = min(os.sched_getaffinity(0))
  start = time.monotonic()
  subprocess.run(
    ["taskset", "--cpu-list", str(core), *run.command],
    cwd=ROOT,
    env=environment,
    check=True,
    capture_output=True,
  )
  return time.monotonic() - start


@pytest.mark.parametrize("cache", ["shared", "none"])
def test_two_workers(benchmark, request, tmp_path, cache):
  if len(os.sched_getaffinity(0)) < 2:
    pytest.skip("one core")
  once = request.config.getoption("benchmark_disable")
  count, every = (4, 2) if once else (40, 4)
  file = tmp_path / "sweep.py"
  file.write_text(SWEEP, "utf-8")
  folder = str(tmp_path / "programs") if cache == "shared" else ""
  environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": folder}
  config = files.load(f"{file}:{count}", {})
  runs = launched.expand(config, tmp_path / "alone")
  if cache == "shared":
    alone(runs[-1], environment)  # compiles
  seconds = [alone(run, environment) for run in runs[::every]]

  def launch():
    start = time.monotonic()
    subprocess.run(
      [sys.executable, "-c", LAUNCH, f"{file}:{count}", tmp_path / "launched"],
      cwd=ROOT,
      env=environment,
      check=True,
      capture_output=True,
    )
    return time.monotonic() - start

  taken = benchmark.pedantic(launch, rounds=1)
  mean = sum(seconds) / len(seconds)
  print(
    f"\ncache {cache}: {count} runs by two workers {taken:.0f} s, one by one "
    f"{mean:.1f} s each: {taken / (mean * count / 2):.2f} of half their sum"
  )
