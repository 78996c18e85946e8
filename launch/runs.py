"""The runs of a config: what each is, where it is, how it stands."""

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
    labels: what sets it apart.
    folder: its workdir.
    spec: file of the config as it is asked for.
    log: what it printed.
  """

  name: str
  labels: dict[str, Any]
  folder: pathlib.Path
  spec: pathlib.Path
  log: pathlib.Path

  @property
  def command(self) -> list[str]:
    """What runs it, on any machine that sees the folder."""
    return [
      sys.executable,
      os.fspath(MAIN),
      f"--config={self.spec}",
      f"--workdir={self.folder}",
    ]

  @property
  def title(self) -> str:
    """Its labels in a few words."""
    return ", ".join(str(v) for v in self.labels.values() if v != "")


def expand(config: Any, workdir: str | os.PathLike[str]) -> list[Run]:
  """The runs of a config, in its order; a config without cells is one run.

  Args:
    config: from `files.load`.
    workdir: the sweep's folder.

  Raises:
    ValueError: a cell names a key or a base that is not there.
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
  """One of `STATES`, read off its folder."""
  if status.finished(run.folder):
    return "done"
  if status.held(run.folder):
    return "running"
  recorded = status.status(run.folder).get("state", "waiting")
  return "interrupted" if recorded in ("running", "done") else recorded


def states(runs: Iterable[Run]) -> dict[str, str]:
  """State by name."""
  return {run.name: state(run) for run in runs}


def left(runs: Iterable[Run]) -> list[Run]:
  """What is not done and nobody is at work on.

  What diverged would diverge again: that is an answer too.
  """
  settled = ("done", "running", "diverged")
  return [run for run in runs if state(run) not in settled]


def ended(run: Run, reason: str) -> str:
  """State of a run that has ended, with why it failed, "" where it did not.

  One that was refused before it began, or whose process died, has not recorded
  that itself: it is recorded here as failed.
  """
  now = state(run)
  if reason and now in ("waiting", "interrupted"):
    status.set_status(run.folder, "failed", reason=reason)
    return "failed"
  return now


def last_lines(run: Run, count: int = 5) -> list[str]:
  """Why a run failed, or else the end of what it printed."""
  reason = status.status(run.folder).get("reason")
  if reason and status.status(run.folder)["state"] in ("failed", "diverged"):
    return str(reason).splitlines()[-count:]
  if not run.log.is_file():
    return []
  lines = run.log.read_text("utf-8", errors="replace").splitlines()
  return [line for line in lines if line.strip()][-count:]


def collect(runs: Sequence[Run], workdir: str | os.PathLike[str]):
  """All tables of all finished runs in one Parquet file, `collected.parquet`.

  A row is a measurement, after the run's name, its labels (a label that is a
  column of the table too is that of the run, the column is `own_NAME`) and the
  name of the table.

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
    raise ValueError(f"no run in {workdir} is done: there is nothing to join.")
  joined = pd.concat(frames, ignore_index=True)
  mixed = joined.select_dtypes("object").columns
  joined[mixed] = joined[mixed].astype("string")
  path = pathlib.Path(workdir) / "collected.parquet"
  temporary = path.with_name(f".{path.name}.{os.getpid()}")
  joined.to_parquet(temporary, index=False)
  os.replace(temporary, path)
  return path, len(joined)
