"""The object that `vfl_jax.run` returns."""

import os
import pathlib

import pandas as pd

from vfl_jax.experiments import experiment
from vfl_jax.results import status
from vfl_jax.results import tables as result_tables


class Result:
  """The report, tables and figures of a finished run.

  Args:
    workdir: folder of an experiment, a study, an audit or a calibration.

  Raises:
    ValueError: the folder holds no finished run.
  """

  def __init__(self, workdir: str | os.PathLike[str]):
    self.workdir = pathlib.Path(workdir)
    if not status.finished(self.workdir):
      state = status.status(self.workdir).get("state", "not a run")
      raise ValueError(
        f"{self.workdir} holds no finished run (state: {state}); run it first."
      )

  def __repr__(self) -> str:
    return f"Result({str(self.workdir)!r}): {', '.join(self.tables)}"

  @property
  def report(self) -> pathlib.Path:
    """Path of the report."""
    return self.workdir / "report.html"

  @property
  def tables(self) -> tuple[str, ...]:
    """Names of the tables."""
    return tuple(sorted(p.stem for p in self.workdir.glob("tables/*.csv")))

  def table(self, name: str) -> pd.DataFrame:
    """Read one tidy table, with a measurement per row.

    Raises:
      ValueError: the run has no such table.
    """
    if name not in self.tables:
      raise ValueError(
        f"{self.workdir} has no table {name!r}; it has "
        f"{', '.join(self.tables)}."
      )
    return result_tables.read(self.workdir, name)

  @property
  def figures(self) -> dict[str, pathlib.Path]:
    """Paths of the figures (.png) by name."""
    paths = sorted(self.workdir.glob("figures/[!.]*.png"))
    return {path.stem: path for path in paths}

  def load(self) -> experiment.Run:
    """Load the trained federation of an experiment: data, views, `predict`.

    Raises:
      FileNotFoundError: the run has no checkpoint.
    """
    return experiment.load(self.workdir)
