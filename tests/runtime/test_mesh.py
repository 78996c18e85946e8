"""Seeds and rows over several devices: the same numbers as on one."""

import os
import pathlib
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from vfl_jax.config import files
from vfl_jax.config import schema
from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments.validation import validate
from vfl_jax.runtime import mesh

ROOT = pathlib.Path(__file__).resolve().parents[2]
# two processes' worth of code: devices are counted when jax starts
COMPARED = """
import jax, numpy as np
from configs.shared import common
from vfl_jax import config as configs
from vfl_jax.config import files
from vfl_jax.experiments import experiment
from vfl_jax.experiments.validation import validate
from vfl_jax.results import tables

assert len(jax.devices()) == 8
found = {}
for name, mesh in (("one", (1, 1)), ("eight", (4, 2))):
  config = common.experiment("tiny", "step")
  files.assign(config, {
    "seeds": 2, "train.epochs": 3, "train.steps_per_epoch": 0,
    "train.batch_size": 32, "record.epochs": (1,), "precision": "float32",
    "attacks": ("passive_completion", "norm", "embedding_swap"),
    "compensation": (), "information.estimators": (),
    "mesh.data": mesh[0], "mesh.seed": mesh[1],
  })
  MODEL
  workdir = f"WORKDIR/{name}"
  experiment.run(validate.validate(config), workdir)
  found[name] = experiment.load(workdir).federation.variables
  leaf = jax.tree.leaves(found[name])[0]
gap = jax.tree.map(
  lambda a, b: float(np.max(np.abs(a - b) / (np.abs(b).max() + 1e-3))),
  found["eight"], found["one"],
)
assert max(jax.tree.leaves(gap)) < 1e-3, gap
a, b = (tables.read(f"WORKDIR/{n}", "main") for n in ("one", "eight"))
assert np.abs(a["mean"] - b["mean"]).max() < 0.02
print("compared")
"""
MODELS = {
  "mlp": "config.model = configs.model('mlp', hidden=(16,))",
  "lenet": (
    "config.model = configs.model('lenet', channels=(2, 3))\n"
    "  config.attacks = ('norm',)"
  ),
}


def forced(devices, own=None):
  """XLA_FLAGS, of these tests or own ones, for so many devices."""
  own = os.environ.get("XLA_FLAGS", "") if own is None else own
  return f"{own} --xla_force_host_platform_device_count={devices}"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_eight_devices_train_to_the_numbers_of_one(model, tmp_path):
  code = COMPARED.replace("WORKDIR", str(tmp_path))
  done = subprocess.run(
    [sys.executable, "-c", code.replace("MODEL", MODELS[model])],
    cwd=ROOT,
    env={
      **os.environ,
      # without optimisation maxima of windows are told apart by rounding
      "XLA_FLAGS": forced(8, "" if model == "lenet" else None),
      "JAX_PLATFORMS": "cpu",
      # XLA's pool of threads: devices that wait for each other need one each
      "NPROC": "64",
    },
    capture_output=True,
    text=True,
    timeout=500,
  )
  assert "compared" in done.stdout, done.stderr[-3000:]


TOGETHER = (
  "--config=configs/default.py:step",
  "--config.train.epochs=4",
  "--config.train.steps_per_epoch=0",
  "--config.seeds=2",
  "--config.information.estimators=()",
  "--config.compensation=()",
  "--config.attacks=('norm',)",
  "--config.record.epochs=(1,)",
)


def _started(folder, process, address):
  return subprocess.Popen(
    [
      sys.executable,
      "main.py",
      *TOGETHER,
      "--config.mesh.data=2",
      "--config.mesh.seed=2",
      "--config.mesh.hosts=2",
      f"--workdir={folder / str(process)}",
    ],
    cwd=ROOT,
    env={
      **os.environ,
      "XLA_FLAGS": forced(2),
      "JAX_PLATFORMS": "cpu",
      "NPROC": "64",
      "JAX_COORDINATOR_ADDRESS": address,
      "JAX_NUM_PROCESSES": "2",
      "JAX_PROCESS_ID": str(process),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def _address():
  with socket.socket() as found:
    found.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{found.getsockname()[1]}"


@pytest.mark.slow
def test_two_hosts_train_to_the_numbers_of_one_also_when_killed(tmp_path):
  address = _address()
  first = [_started(tmp_path, k, address) for k in range(2)]
  until = time.monotonic() + 300
  metrics = tmp_path / "0" / "metrics.jsonl"
  try:
    while not (metrics.exists() and metrics.stat().st_size):
      assert time.monotonic() < until, "no epoch was done"
      assert all(process.poll() is None for process in first)
      time.sleep(0.1)
  finally:
    for process in first:
      process.kill()
      process.communicate()
  address = _address()
  again = [_started(tmp_path, k, address) for k in range(2)]
  said = [process.communicate(timeout=400)[0] for process in again]
  assert [process.returncode for process in again] == [0, 0], said
  assert "report:" in said[0]
  assert "report:" not in said[1]
  assert not (tmp_path / "1").exists()
  alone = [sys.executable, "main.py", *TOGETHER, f"--workdir={tmp_path}/alone"]
  subprocess.run(alone, cwd=ROOT, check=True, capture_output=True)
  one, two = (
    experiment.load(tmp_path / name).federation for name in ("alone", "0")
  )
  for a, b in zip(
    jax.tree.leaves((two.variables, two.kept)),
    jax.tree.leaves((one.variables, one.kept)),
    strict=True,
  ):
    scale = np.nanmax(np.abs(b))  # a bias before a norm is nothing but rounding
    np.testing.assert_allclose(a, b, rtol=0, atol=2e-3 * scale + 1e-6)


def test_hosts_that_are_not_there_are_refused(tmp_path):
  config = files.load(str(ROOT / "configs" / "default.py"), {})
  config.mesh.hosts, config.data.resplit = 2, False
  with pytest.raises(
    lifecycle.Refused, match=r"mesh\.hosts is 2 and the others"
  ):
    experiment.run(validate.validate(config), tmp_path)
  study = files.load(str(ROOT / "configs/paper/cut_sweep.py"), {})
  study.bases.digits.mesh.hosts = 2
  study.bases.digits.data.resplit = False
  with pytest.raises(ValueError, match="a study runs on one host"):
    validate.validate(study)


def test_a_mesh_that_does_not_fit_is_refused():
  assert mesh.layout({"data": 1, "seed": 1, "hosts": 1}, 3, 32).mesh is None
  with pytest.raises(ValueError, match="does not divide seeds=3"):
    mesh.layout({"data": 1, "seed": 2, "hosts": 1}, 3, 32)
  with pytest.raises(ValueError, match=r"not divide train\.batch_size=30"):
    mesh.layout({"data": 4, "seed": 1, "hosts": 1}, 3, 30)
  with pytest.raises(ValueError, match="asks for 512 devices"):
    mesh.layout({"data": 512, "seed": 1, "hosts": 1}, 3, 512)
  config = schema.defaults()
  config.mesh.data = 0
  with pytest.raises(ValueError, match=r"mesh\.data is 0"):
    validate.validate(config)
