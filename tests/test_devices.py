"""Seeds and rows over several devices: the same numbers as on one."""

import os
import pathlib
import subprocess
import sys

import pytest

from vfl_jax import config as configs
from vfl_jax import devices

ROOT = pathlib.Path(__file__).resolve().parent.parent
# two processes' worth of code: devices are counted when jax starts
COMPARED = """
import jax, numpy as np
from configs import common
from vfl_jax import config as configs, experiment, tables

assert len(jax.devices()) == 8
found = {}
for name, mesh in (("one", (1, 1)), ("eight", (4, 2))):
  config = common.experiment("tiny", "step")
  configs.assign(config, {
    "seeds": 2, "train.epochs": 3, "train.steps_per_epoch": 0,
    "train.batch_size": 32, "record.epochs": (1,), "precision": "float32",
    "attacks": ("passive_completion", "norm", "embedding_swap"),
    "compensation": (), "information.estimators": (),
    "mesh.data": mesh[0], "mesh.seed": mesh[1],
  })
  MODEL
  workdir = f"WORKDIR/{name}"
  experiment.run(configs.validate(config), workdir)
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
  "lenet": "config.model = configs.model('lenet', channels=(2, 3))",
}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_eight_devices_train_to_the_numbers_of_one(model, tmp_path):
  code = COMPARED.replace("WORKDIR", str(tmp_path))
  done = subprocess.run(
    [sys.executable, "-c", code.replace("MODEL", MODELS[model])],
    cwd=ROOT,
    env={
      **os.environ,
      "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
      "JAX_PLATFORMS": "cpu",
      # XLA's pool of threads: devices that wait for each other need one each
      "NPROC": "64",
    },
    capture_output=True,
    text=True,
    timeout=500,
  )
  assert "compared" in done.stdout, done.stderr[-3000:]


def test_a_mesh_that_does_not_fit_is_refused():
  assert devices.layout({"data": 1, "seed": 1}, 3, 32).mesh is None
  with pytest.raises(ValueError, match="does not divide seeds=3"):
    devices.layout({"data": 1, "seed": 2}, 3, 32)
  with pytest.raises(ValueError, match=r"not divide train\.batch_size=30"):
    devices.layout({"data": 4, "seed": 1}, 3, 30)
  with pytest.raises(ValueError, match="asks for 512 devices"):
    devices.layout({"data": 512, "seed": 1}, 3, 512)
  config = configs.defaults()
  config.mesh.data = 0
  with pytest.raises(ValueError, match=r"mesh\.data is 0"):
    configs.validate(config)
