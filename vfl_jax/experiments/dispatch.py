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
  """Run a config, or resume its run.

  Args:
    config: config of any kind, from `defaults` or `load_config`.
    workdir: folder of the run, by default runs/NAME-DIGEST; a finished run is
      not repeated.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The finished run: its report, tables and figures.

  Raises:
    ValueError: the config is invalid; raised before anything runs.
    FileNotFoundError: the data set is missing; the message says how to get it.
    Refused: the workdir belongs to another config, cannot be written, or is in
      use by another process.
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
  """The module whose `run` and `dry_run` handle a validated config.

  Args:
    config: a config from `validate.validate`.
    name: name of the module; by default the config's kind.
  """
  return importlib.import_module(f"vfl_jax.experiments.{name or config.kind}")


def dry_run(config: Any) -> None:
  """Print what a validated config would run and cost, without training."""
  module = work(config)
  if config.kind == "experiment":
    module = importlib.import_module("vfl_jax.experiments.dry_run")
  module.dry_run(config)


def board(config: Any, workdir: str, wanted: bool) -> tensorboard.Board | None:
  """A writer of training curves for TensorBoard; None if not wanted.

  Args:
    config: a validated config.
    workdir: folder of the run.
    wanted: whether to write the curves.

  Raises:
    Refused: the config is not of a single experiment, or tensorboardX is not
      installed.
  """
  if not wanted:
    return None
  if config.kind != "experiment":
    raise lifecycle.Refused(
      "--tensorboard shows the training of one experiment, and this config's "
      f"kind is {config.kind!r}; when it is done, run "
      f"python -m vfl_jax.results.tensorboard {workdir}/runs/*."
    )
  if config.data.resplit:
    raise lifecycle.Refused(
      "--tensorboard shows one training, and with data.resplit each seed has "
      "its own; afterwards take python -m vfl_jax.results.tensorboard "
      f"{workdir}/seeds/*, or give --config.data.resplit=False."
    )
  try:
    return tensorboard.Board(workdir)
  except ValueError as error:
    raise lifecycle.Refused(str(error)) from error


def default_workdir(config: Any) -> str:
  """The folder of a run without a given workdir."""
  return f"runs/{config.name}-{identity.digest(config)}"
