"""What has become of a run, and who holds its folder."""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
from typing import Any

import filelock

from vfl_jax.results import files


def status(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """Contents of status.json; empty where there is none that can be read."""
  path = pathlib.Path(workdir) / "status.json"
  try:
    return json.loads(path.read_text("utf-8"))
  except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
    return {}


@contextlib.contextmanager
def hold(
  workdir: str | os.PathLike[str], patience: float = 1.0
) -> Iterator[bool]:
  """Keep a run to this process; false where another one has it.

  The lock is the operating system's and goes with the process, however that
  ends.

  Args:
    workdir: of the run.
    patience: seconds to wait; whoever only looks, by `held`, has the lock for
      a moment too.
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
  """Whether a process is at work on a run now."""
  if not (pathlib.Path(workdir) / ".lock").is_file():
    return False
  with hold(workdir, patience=0) as free:
    return not free


def finished(workdir: str | os.PathLike[str]) -> bool:
  """Whether a run came to its end and its report is there."""
  report = pathlib.Path(workdir) / "report.html"
  return status(workdir).get("state") == "done" and report.is_file()


def set_status(
  workdir: str | os.PathLike[str], state: str, **facts: Any
) -> None:
  """Write status.json: running, done, diverged or failed, and facts."""
  before = status(workdir)
  before.pop("reason", None)  # of an earlier failure
  contents = {**before, "state": state, **facts}
  files.write_text(
    pathlib.Path(workdir) / "status.json", json.dumps(contents, indent=1)
  )
