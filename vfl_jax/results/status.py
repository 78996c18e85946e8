"""The state of a run, and the lock on its folder."""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
from typing import Any

import filelock

from vfl_jax.results import files


def status(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """Contents of status.json; empty if it is missing or cannot be read."""
  path = pathlib.Path(workdir) / "status.json"
  try:
    return json.loads(path.read_text("utf-8"))
  except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
    return {}


@contextlib.contextmanager
def hold(
  workdir: str | os.PathLike[str], patience: float = 1.0
) -> Iterator[bool]:
  """Lock a run for this process.

  The operating system holds the lock and releases it when the process ends,
  for whatever reason.

  Args:
    workdir: folder of the run.
    patience: seconds to wait for the lock. `held` takes it for a moment too,
      so that a short wait is normal.

  Yields:
    True with the lock, False if another process has it.
  """
  lock = filelock.FileLock(pathlib.Path(workdir) / ".lock", timeout=patience)
  try:
    lock.acquire()
  except filelock.Timeout:
    yield False
    return
  try:
    yield True
  finally:
    lock.release()


def held(workdir: str | os.PathLike[str]) -> bool:
  """Whether a process is working on a run now."""
  if not (pathlib.Path(workdir) / ".lock").is_file():
    return False
  with hold(workdir, patience=0) as free:
    return not free


def finished(workdir: str | os.PathLike[str]) -> bool:
  """Whether a run is complete and its report exists."""
  report = pathlib.Path(workdir) / "report.html"
  return status(workdir).get("state") == "done" and report.is_file()


def set_status(
  workdir: str | os.PathLike[str], state: str, **facts: Any
) -> None:
  """Write the state of a run and facts about it to status.json.

  Facts written before stay; the reason of an earlier failure does not.

  Args:
    workdir: folder of the run.
    state: "running", "done", "diverged" or "failed".
    **facts: further entries; they must be JSON values.
  """
  before = status(workdir)
  before.pop("reason", None)  # of an earlier failure
  contents = {**before, "state": state, **facts}
  files.write_text(
    pathlib.Path(workdir) / "status.json", json.dumps(contents, indent=1)
  )
