"""Experiments from Python: what `main.py` does, for notebooks and scripts."""

import importlib
import os
from typing import Any


from vfl_jax.config import identity
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import progress as experiment_progress
from vfl_jax.experiments import result
from vfl_jax.experiments.validation import validate
from vfl_jax.results import tensorboard


def run(
  config: Any,
  workdir: str | os.PathLike[str] = "",
  progress: Any = None,
) -> result.Result:
  """Carry out a config, or go on where it was left.

  Args:
    config: from `defaults` or `load_config`, of any kind.
    workdir: runs/NAME-DIGEST by default; a finished one is not run again.
    progress: a `progress.Progress`; silent by default.

  Raises:
    ValueError: something in the config is impossible; before anything runs.
    FileNotFoundError: the data are not there; says what gets them.
    Refused: the workdir holds another config's run.
    Stopped: the training diverged, or the disk is full.

  >>> import tempfile
  >>> from vfl_jax.config import schema
  >>> config = schema.defaults()
  >>> config.update(seeds=2, compensation=())
  >>> config.train.update(epochs=2, steps_per_epoch=2)
  >>> config.information.update(estimators=(), samples=100)
  >>> config.evaluate.update(attack_steps=2, ceiling_steps=2)
  >>> result = run(config, tempfile.mkdtemp())
  >>> result.table("main")["metric"].unique().tolist()
  ['accuracy', 'balanced_accuracy']
  """
  config = validate.validate(config)
  folder = workdir or default_workdir(config)
  work(config).run(config, folder, progress or experiment_progress.Silent())
  return result.Result(folder)


def work(config: Any, name: str = "") -> Any:
  """The module that carries out a validated config, by its `run`.

  Args:
    config: as validated.
    name: of the module; the one of the config's kind by default.
  """
  return importlib.import_module(f"vfl_jax.experiments.{name or config.kind}")


def dry_run(config: Any) -> None:
  """Print what a validated config would do and cost; nothing is trained."""
  module = work(config)
  if config.kind == "experiment":
    module = importlib.import_module("vfl_jax.experiments.dry_run")
  module.dry_run(config)


def board(config: Any, workdir: str, wanted: bool) -> tensorboard.Board | None:
  """Where the curves of a training go, if they are wanted.

  Raises:
    Refused: there are no such curves, or tensorboardX is not installed.
  """
  if not wanted:
    return None
  if config.kind != "experiment":
    raise lifecycle.Refused(
      "--tensorboard shows the training of one experiment, and this config's "
      f"kind is {config.kind!r}; afterwards take "
      f"python -m vfl_jax.results.tensorboard {workdir}/runs/*."
    )
  try:
    return tensorboard.Board(workdir)
  except ValueError as error:
    raise lifecycle.Refused(str(error)) from error


def default_workdir(config: Any) -> str:
  """Where a run goes whose workdir nobody names."""
  return f"runs/{config.name}-{identity.digest(config)}"
