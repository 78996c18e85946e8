"""Tidy tables and small files of a workdir, written atomically; no jax."""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import json
import os
import pathlib
import tempfile
from typing import Any

import filelock
import pandas as pd

TABLES = (
  "main",
  "training",
  "information",
  "compensation",
  "probes",
  "attacks",
  "leakage",
  "cost",
)


ORACLE = " (oracle)"  # behind the name of an attack that chose by the labels


class Damaged(ValueError):
  """A file of a workdir is not what was written there."""


# a long table is parsed in pieces: "24" must not be a number in some of them
_TEXTS: Any = {"party": str, "warning": str, "strength": str}


def write(workdir: str | os.PathLike[str], name: str, rows: Iterable[Any]):
  """Write `tables/NAME.csv`, one measurement a row."""
  frame = pd.DataFrame(list(rows))
  write_text(
    pathlib.Path(workdir) / "tables" / f"{name}.csv",
    frame.to_csv(index=False, float_format="%.6g"),
  )


def exists(workdir: str | os.PathLike[str], name: str) -> bool:
  """Whether a table has been written (whole, since writes are atomic)."""
  return (pathlib.Path(workdir) / "tables" / f"{name}.csv").is_file()


def read(workdir: str | os.PathLike[str], name: str) -> pd.DataFrame:
  """A table of a workdir; empty where it is not there.

  Raises:
    Damaged: the file cannot be read as a table.
  """
  path = pathlib.Path(workdir) / "tables" / f"{name}.csv"
  if not path.is_file():
    return pd.DataFrame()
  try:
    return pd.read_csv(path, dtype=_TEXTS)
  except (
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
    UnicodeDecodeError,
  ) as error:
    if path.read_bytes() == b"\n":
      return pd.DataFrame()  # written without rows
    raise Damaged(
      f"{path} is not a readable table ({error}); remove it and "
      f"{path.parent.parent / 'status.json'}, and run the same command again."
    ) from error


def collect(
  workdirs: Iterable[str | os.PathLike[str]], name: str
) -> pd.DataFrame:
  """One table of many workdirs, with the workdir as a column."""
  frames = [read(w, name).assign(workdir=str(w)) for w in workdirs]
  frames = [f for f in frames if len(f.columns) > 1]
  return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def write_text(path: str | os.PathLike[str], text: str) -> None:
  """Write a file as a whole or not at all."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
  try:
    with os.fdopen(handle, "w", encoding="utf-8") as file:
      file.write(text)
      file.flush()
      os.fsync(file.fileno())
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
  except BaseException:
    if os.path.exists(temporary):
      os.unlink(temporary)
    raise


def status(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """Contents of status.json; empty where there is none that can be read."""
  path = pathlib.Path(workdir) / "status.json"
  try:
    return json.loads(path.read_text("utf-8"))
  except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
    return {}


@contextlib.contextmanager
def hold(workdir: str | os.PathLike[str]) -> Iterator[bool]:
  """Keep a run to this process; false where another one has it.

  The lock is the operating system's and goes with the process, however that
  ends.
  """
  lock = filelock.FileLock(pathlib.Path(workdir) / ".lock", timeout=0)
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
  with hold(workdir) as free:
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
  write_text(
    pathlib.Path(workdir) / "status.json", json.dumps(contents, indent=1)
  )


def read_metrics(workdir: str | os.PathLike[str]) -> list[dict[str, Any]]:
  """Lines of metrics.jsonl; a torn last line is dropped."""
  path = pathlib.Path(workdir) / "metrics.jsonl"
  if not path.is_file():
    return []
  lines = []
  for line in path.read_text("utf-8").splitlines():
    try:
      lines.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return lines


def write_metrics(
  workdir: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]
) -> None:
  """Replace metrics.jsonl, e.g. by the lines before a resumed epoch."""
  text = "".join(json.dumps(row) + "\n" for row in rows)
  write_text(pathlib.Path(workdir) / "metrics.jsonl", text)


def append_metrics(
  workdir: str | os.PathLike[str], row: Mapping[str, Any]
) -> None:
  """Append one line to metrics.jsonl."""
  path = pathlib.Path(workdir) / "metrics.jsonl"
  with path.open("a", encoding="utf-8") as file:
    file.write(json.dumps(row) + "\n")
