"""From `python main.py` to the end of the first training step, second run.

  python -m pytest tests/benchmarks/test_startup.py

An epoch of one step and a look at few validation rows behind it; the
compilation cache is filled by a run that is not timed.
"""

import os
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONE_STEP = "train.steps_per_epoch=1,data.validation=0.02"


def first_step(config, workdir, environment):
  """Starts a run, waits for its first line of metrics, and ends it."""
  process = subprocess.Popen(
    [sys.executable, "main.py", f"--config={config}", f"--workdir={workdir}"],
    cwd=ROOT,
    env=environment,
    stdout=subprocess.DEVNULL,
  )
  # of the experiment, or of its first seed with a data split of its own
  while not any(p.stat().st_size for p in workdir.rglob("metrics.jsonl")):
    assert process.poll() is None, f"exit code {process.returncode}"
    time.sleep(0.01)
  process.kill()
  process.wait()


@pytest.mark.parametrize(
  "config",
  [
    f"configs/default.py:{ONE_STEP}",
    f"configs/baselines/digits_resnet20.py:{ONE_STEP}",
    f"configs/baselines/cifar10_resnet20.py:{ONE_STEP}",
  ],
)
def test_first_step(benchmark, config, tmp_path):
  if "cifar10" in config and not os.environ.get("TFDS_DATA_DIR"):
    pytest.skip("TFDS_DATA_DIR does not name a folder with cifar10")
  environment = {
    **os.environ,
    "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
  }
  runs = iter(range(100))
  benchmark.pedantic(
    lambda: first_step(config, tmp_path / f"w{next(runs)}", environment),
    warmup_rounds=1,
    rounds=3,
  )
