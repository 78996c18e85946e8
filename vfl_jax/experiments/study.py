"""Many experiments read side by side: a base, and what each cell changes."""

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
    labels: what sets it apart, columns of the study's tables.
    asked: the experiment's config before it is validated.
  """

  labels: dict[str, Any]
  asked: Any


def run(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any = None,
  again: bool = True,
) -> pathlib.Path:
  """Every cell that is not done, then the study's tables and its report.

  Each cell is an experiment with a folder of its own, `runs/DIGEST`, that can
  be run, read and resumed alone. What fails is listed and stops no other; it is
  tried again when the study is run again.

  Args:
    config: from `validate.validate`, of kind "study".
    workdir: created if need be; holds one study.
    progress: a `progress.Progress`; silent by default.
    again: whether to run what is not done; else it is listed as it stands.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written.
  """

  def answered(config, workdir, progress):
    work(config, workdir, progress, again)
    answers.READINGS[config.question](workdir)

  stale = lambda path: unsettled(config, path, again)
  return lifecycle.complete(config, workdir, progress, answered, stale)


def dry_run(config: Any) -> None:
  """Print what the study would run."""
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
  """Where a cell of a study is."""
  return pathlib.Path(workdir) / "runs" / identity.digest(cell.asked)


def unsettled(config: Any, workdir: pathlib.Path, again: bool = True) -> bool:
  """Whether cells that a study lists as failed are done now, or may yet be."""
  failed = tables.read(workdir, "failed")
  names = set(failed["folder"]) if len(failed) else set()
  paths = [folder(workdir, cell) for cell in cells(config)]
  return any(
    result_status.finished(path) or (again and not _diverged(path))
    for path in paths
    if path.name in names
  )


def _diverged(path):
  """Whether a cell diverged: it would diverge again, so it is not retried."""
  return result_status.status(path).get("state") == "diverged"


def work(
  config: Any, workdir: pathlib.Path, progress: Any, again: bool = True
) -> None:
  """Every cell that is not done, and the tables of all that are.

  Writes "failed", and "all_NAME" for every table of `COLLECTED`.

  Args:
    config: of the study.
    workdir: of the study.
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
