"""Experiments small enough for tests."""

import os
import pathlib
import runpy
import sys
from configs.shared import common
from vfl_jax.config import schema
from vfl_jax.experiments.validation import validate


ROOT = pathlib.Path(__file__).resolve().parents[2]


def tiny(**overrides):
  config = common.experiment("tiny", "step")
  config.seeds = 2
  config.train.epochs = 3
  config.train.steps_per_epoch = 5
  config.record.epochs = (1,)
  config.information.epochs = (0, 2)
  config.information.estimators = ("mine", "classifier")
  config.compensation = ("frozen_bottoms", "fresh_top", "central_twin")
  config.information.noise = 0.2
  config.record.samples = 20
  config.model = schema.model("mlp", hidden=(16,))
  for key, value in overrides.items():
    section, name = key.split("__")
    config[section][name] = value
  return validate.validate(config)


def main(workdir):
  """`python main.py`, in a process that has imported what it needs."""
  os.chdir(ROOT)
  sys.argv = [
    "main.py",
    f"--workdir={workdir}",
    "--config=configs/default.py:step",
    "--config.train.epochs=40",
    "--config.train.steps_per_epoch=4",
    "--config.seeds=2",
    "--config.compensation=('frozen_bottoms', 'central_twin')",
  ]
  runpy.run_path("main.py", run_name="__main__")
