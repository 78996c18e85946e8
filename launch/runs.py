"""The runs of a config: their configs, folders and states."""

from collections.abc import Iterable, Sequence
import os
import pathlib
import sys
from typing import Any, NamedTuple

import pandas as pd

from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.results import collected
from vfl_jax.results import files as result_files
from vfl_jax.results import status
from vfl_jax.results import tables

MAIN = pathlib.Path(__file__).resolve().parent.parent / "main.py"
STATES = ("done", "running", "waiting", "interrupted", "failed", "diverged")


class Run(NamedTuple):
  """One run of a sweep.

  Attributes:
    name: digest of its config.
    labels: labels of its cell, which distinguish it from other runs.
    folder: its workdir.
    spec: file of its requested config.
    log: file of its printed output.
  """

  name: str
  labels: dict[str, Any]
  folder: pathlib.Path
  spec: pathlib.Path
  log: pathlib.Path

  @property
  def command(self) -> list[str]:
    """The command that runs it, on any machine that sees the folder."""
    return [
      sys.executable,
      os.fspath(MAIN),
      f"--config={self.spec}",
      f"--workdir={self.folder}",
    ]

  @property
  def title(self) -> str:
    """Its labels as one text."""
    return ", ".join(str(v) for v in self.labels.values() if v != "")


def expand(config: Any, workdir: str | os.PathLike[str]) -> list[Run]:
  """The runs of a config, in its order; a config without cells is one run.

  The requested config of each run is written to its `spec`.

  Args:
    config: a config from `files.load`.
    workdir: the sweep's folder.

  Raises:
    ValueError: a cell names an unknown key or base.
  """
  workdir = pathlib.Path(workdir).resolve()
  asked = [({"name": config.name}, config)]
  if config.kind == "study":
    asked = []
    for entry in config.cells:
      if entry["base"] not in config.bases:
        raise ValueError(
          f"a cell starts from {entry['base']!r}; bases are "
          f"{', '.join(config.bases)}."
        )
      asked.append((dict(entry["labels"]), files.cell(config, entry)))
  by_name = {}
  for labels, cell in asked:
    name = identity.digest(cell)
    by_name[name] = Run(
      name,
      labels,
      workdir / "runs" / name,
      workdir / "asked" / f"{name}.json",
      workdir / "logs" / f"{name}.log",
    )
    text = identity.as_json(cell)
    if not by_name[name].spec.is_file():
      result_files.write_text(by_name[name].spec, text)
  return list(by_name.values())


def state(run: Run) -> str:
  """The state of a run, one of `STATES`, as read from its folder."""
  if status.finished(run.folder):
    return "done"
  if status.held(run.folder):
    return "running"
  recorded = status.status(run.folder).get("state", "waiting")
  return "interrupted" if recorded in ("running", "done") else recorded


def states(runs: Iterable[Run]) -> dict[str, str]:
  """The states of runs by name."""
  return {run.name: state(run) for run in runs}


def left(runs: Iterable[Run]) -> list[Run]:
  """The runs that are neither done nor running.

  A diverged run is not among them, because it would diverge again.
  """
  settled = ("done", "running", "diverged")
  return [run for run in runs if state(run) not in settled]


def ended(run: Run, reason: str) -> str:
  """The state of a run whose process has ended.

  A run that was refused before it began, or whose process died, has not
  recorded its failure itself; it is recorded here.

  Args:
    run: the run.
    reason: why it failed; empty if it did not.
  """
  now = state(run)
  if reason and now in ("waiting", "interrupted"):
    status.set_status(run.folder, "failed", reason=reason)
    return "failed"
  return now


def last_lines(run: Run, count: int = 5) -> list[str]:
  """The last lines of a run's failure reason, or else of its output."""
  reason = status.status(run.folder).get("reason")
  if reason and status.status(run.folder)["state"] in ("failed", "diverged"):
    return str(reason).splitlines()[-count:]
  if not run.log.is_file():
    return []
  lines = run.log.read_text("utf-8", errors="replace").splitlines()
  return [line for line in lines if line.strip()][-count:]


def collect(runs: Sequence[Run], workdir: str | os.PathLike[str]):
  """Joins the tables of all finished runs into one file, `collected.parquet`.

  A row is a measurement, preceded by the run's name, its labels and the name of
  the table. If a label is also a column of the table, the label keeps the name
  and the column becomes `own_NAME`.

  Args:
    runs: the runs.
    workdir: the sweep's folder, in which the file is written.

  Returns:
    The path and the number of rows.

  Raises:
    ValueError: no run is done.
  """
  frames = []
  for run in runs:
    if not status.finished(run.folder):
      continue
    for name in collected.COLLECTED:
      labels = {"run": run.name, **run.labels, "table": name}
      frames.append(collected.labelled(tables.read(run.folder, name), labels))
  frames = [frame for frame in frames if len(frame)]
  if not frames:
    raise ValueError(
      f"no run in {workdir} is done, so there is nothing to join; start the "
      "sweep first."
    )
  joined = pd.concat(frames, ignore_index=True)
  mixed = joined.select_dtypes("object").columns
  joined[mixed] = joined[mixed].astype("string")
  path = pathlib.Path(workdir) / "collected.parquet"
  temporary = path.with_name(f".{path.name}.{os.getpid()}")
  joined.to_parquet(temporary, index=False)
  os.replace(temporary, path)
  return path, len(joined)
