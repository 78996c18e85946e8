"""Studies: many experiments, each of which changes a base config."""

import os
import pathlib
from typing import Any, NamedTuple

import pandas as pd

from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import pool
from vfl_jax.results import answers
from vfl_jax.results import collected
from vfl_jax.results import status as result_status
from vfl_jax.results import tables
from vfl_jax.results import terminal


class Cell(NamedTuple):
  """One experiment of a study.

  Attributes:
    labels: what distinguishes the cell; columns of the study's tables.
    asked: config of the experiment before validation.
  """

  labels: dict[str, Any]
  asked: Any


def run(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any = None,
  again: bool = True,
) -> pathlib.Path:
  """Run every cell that is not done, then write the study's tables and report.

  Each cell is an experiment with its own folder, `runs/DIGEST`, which can be
  run, read and resumed by itself. A cell that fails is listed and stops no
  other; it is tried again when the study is run again.

  Args:
    config: config of kind "study", from `validate.validate`.
    workdir: folder of this study alone; created if needed.
    progress: a `progress.Progress`; silent by default.
    again: whether to run cells that are not done; otherwise they are listed as
      failed.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config, cannot be written, or is in
      use by another process.
    Stopped: the disk is full, or a table cannot be read.
    RuntimeError: all cells failed.
  """

  def answered(config, workdir, progress):
    work(config, workdir, progress, again)
    answers.READINGS[config.question](workdir)

  stale = lambda path: unsettled(config, path, again)
  return lifecycle.complete(config, workdir, progress, answered, stale)


def dry_run(config: Any) -> None:
  """Print the experiments that the study would run."""
  labels = pd.DataFrame([c["labels"] for c in config.cells])
  counts = labels.nunique()
  terminal.say(
    f"{len(labels)} experiments: "
    + ", ".join(f"{n} of {what}" for what, n in counts.items())
    + f"; bases {', '.join(config.bases)}."
  )


def cells(config: Any) -> list[Cell]:
  """The experiments of a study."""
  return [
    Cell(dict(entry["labels"]), files.cell(config, entry))
    for entry in config.cells
  ]


def folder(workdir: str | os.PathLike[str], cell: Cell) -> pathlib.Path:
  """The folder of a cell of a study."""
  return pathlib.Path(workdir) / "runs" / identity.digest(cell.asked)


def unsettled(config: Any, workdir: pathlib.Path, again: bool = True) -> bool:
  """Whether a cell that a study lists as failed is done by now, or may be yet.

  Args:
    config: config of the study.
    workdir: folder of the study.
    again: whether cells that are not done would be run again.
  """
  failed = tables.read(workdir, "failed")
  names = set(failed["folder"]) if len(failed) else set()
  paths = [folder(workdir, cell) for cell in cells(config)]
  return any(
    result_status.finished(path) or (again and not _diverged(path))
    for path in paths
    if path.name in names
  )


def _diverged(path):
  """Whether a cell diverged; it is not retried, as it would diverge again."""
  return result_status.status(path).get("state") == "diverged"


def work(
  config: Any, workdir: pathlib.Path, progress: Any, again: bool = True
) -> None:
  """Run every cell that is not done, and join the tables of those that are.

  It writes the table "failed", and "all_NAME" for every table of `COLLECTED`.

  Args:
    config: config of the study.
    workdir: folder of the study.
    progress: a `progress.Progress`.
    again: see `run`.

  Raises:
    RuntimeError: all cells failed.
  """
  every = {folder(workdir, cell): cell for cell in cells(config)}
  missing = [path for path in every if not result_status.finished(path)]
  left = [path for path in missing if again and not _diverged(path)]
  progress.phase("cells", len(every), len(every) - len(left))
  failed = []

  def fail(path, reason):
    labels = every[path].labels
    failed.append({**labels, "folder": path.name, "reason": reason})

  for path in missing:
    if path not in left:
      status = result_status.status(path)
      state = status.get("state", "not run").capitalize()
      fail(path, f"{state}: {status.get('reason', 'no reason given')}")

  def done(task, reason):
    labels = every[task.folder].labels
    if reason:
      fail(task.folder, reason)
    progress.advance(
      ", ".join(str(v) for v in labels.values() if v != "")
      + (f": {reason}" if reason else "")
    )

  workers = min(config.workers or pool.room(), len(left))
  pool.run(
    [pool.Task(identity.as_json(every[path].asked), path) for path in left],
    workers if workers > 1 else 0,
    done,
  )
  tables.write(workdir, "failed", failed)
  sound = {p: c for p, c in every.items() if result_status.finished(p)}
  if not sound:
    raise RuntimeError(f"all cells failed, the first: {failed[0]['reason']}")
  for name in collected.COLLECTED:
    frames = [(cell, tables.read(path, name)) for path, cell in sound.items()]
    frames = [
      collected.labelled(f, cell.labels) for cell, f in frames if len(f)
    ]
    if frames:
      rows = pd.concat(frames, ignore_index=True).to_dict("records")
      tables.write(workdir, f"all_{name}", rows)
