"""Experiments from Python: what `main.py` does, for notebooks and scripts."""

import importlib
import os
import pathlib
from typing import Any

import pandas as pd

from vfl_jax import board as boards
from vfl_jax import config as configs
from vfl_jax import console
from vfl_jax import experiment
from vfl_jax import tables
from vfl_jax import workdir as workdirs


class Result:
  """What a finished run has left in its workdir.

  Args:
    workdir: of an experiment, a study, an audit or a calibration.

  Raises:
    ValueError: no finished run there.
  """

  def __init__(self, workdir: str | os.PathLike[str]):
    self.workdir = pathlib.Path(workdir)
    if not tables.finished(self.workdir):
      state = tables.status(self.workdir).get("state", "not a run")
      raise ValueError(
        f"{self.workdir} holds no finished run (it is: {state}); run it first."
      )

  def __repr__(self) -> str:
    return f"Result({str(self.workdir)!r}): {', '.join(self.tables)}"

  @property
  def report(self) -> pathlib.Path:
    """The page."""
    return self.workdir / "report.html"

  @property
  def tables(self) -> tuple[str, ...]:
    """Names of its tables."""
    return tuple(sorted(p.stem for p in self.workdir.glob("tables/*.csv")))

  def table(self, name: str) -> pd.DataFrame:
    """One tidy table, a measurement a row.

    Raises:
      ValueError: it has no such table; lists those there are.
    """
    if name not in self.tables:
      raise ValueError(
        f"{self.workdir} has no table {name!r}; it has "
        f"{', '.join(self.tables)}."
      )
    return tables.read(self.workdir, name)

  @property
  def figures(self) -> dict[str, pathlib.Path]:
    """Pictures (.png) by name."""
    found = sorted(self.workdir.glob("figures/[!.]*.png"))
    return {path.stem: path for path in found}

  def load(self) -> experiment.Run:
    """The trained federation of an experiment: its data, views, `predict`.

    Raises:
      FileNotFoundError: it holds no checkpoint.
    """
    return experiment.load(self.workdir)


def run(
  config: Any,
  workdir: str | os.PathLike[str] = "",
  progress: Any = None,
) -> Result:
  """Carry out a config, or go on where it was left.

  Args:
    config: from `defaults` or `load_config`, of any kind.
    workdir: runs/NAME-DIGEST by default; a finished one is not run again.
    progress: a `console.Progress`; silent by default.

  Raises:
    ValueError: something in the config is impossible; before anything runs.
    FileNotFoundError: the data are not there; says what gets them.
    Refused: the workdir holds another config's run.
    Stopped: the training diverged, or the disk is full.

  >>> import tempfile
  >>> config = configs.defaults()
  >>> config.update(seeds=2, compensation=())
  >>> config.train.update(epochs=2, steps_per_epoch=2)
  >>> config.information.update(estimators=(), samples=100)
  >>> config.evaluate.update(attack_steps=2, ceiling_steps=2)
  >>> result = run(config, tempfile.mkdtemp())
  >>> result.table("main")["metric"].unique().tolist()
  ['accuracy', 'balanced_accuracy']
  """
  config = configs.validate(config)
  folder = workdir or default_workdir(config)
  work(config).run(config, folder, progress or console.Silent())
  return Result(folder)


def work(config: Any) -> Any:
  """The module that carries out a validated config: it has `run`, `dry_run`."""
  return importlib.import_module(f"vfl_jax.{config.kind}")


def board(config: Any, workdir: str, wanted: bool) -> boards.Board | None:
  """Where the curves of a training go, if they are wanted.

  Raises:
    Refused: there are no such curves, or tensorboardX is not installed.
  """
  if not wanted:
    return None
  if config.kind != "experiment":
    raise workdirs.Refused(
      "--tensorboard shows the training of one experiment, and this config's "
      f"kind is {config.kind!r}; afterwards take python -m vfl_jax.board "
      f"{workdir}/runs/*."
    )
  try:
    return boards.Board(workdir)
  except ValueError as error:
    raise workdirs.Refused(str(error)) from error


def default_workdir(config: Any) -> str:
  """Where a run goes whose workdir nobody names."""
  return f"runs/{config.name}-{configs.digest(config)}"
