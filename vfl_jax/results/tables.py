"""Tidy tables of a workdir, written atomically; imports no jax."""

from collections.abc import Iterable
import os
import pathlib
from typing import Any

import pandas as pd

from vfl_jax.results import files

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


ORACLE = " (oracle)"  # follows the name of an attack that used true labels


# pandas parses a long table in chunks: "24" must be text in all of them
_TEXTS: Any = {"party": str, "warning": str, "strength": str}


def write(workdir: str | os.PathLike[str], name: str, rows: Iterable[Any]):
  """Write `tables/NAME.csv`, one measurement per row."""
  frame = pd.DataFrame(list(rows))
  files.write_text(
    pathlib.Path(workdir) / "tables" / f"{name}.csv",
    frame.to_csv(index=False, float_format="%.6g"),
  )


def exists(workdir: str | os.PathLike[str], name: str) -> bool:
  """Whether a table was written; it is complete, since writes are atomic."""
  return (pathlib.Path(workdir) / "tables" / f"{name}.csv").is_file()


def read(workdir: str | os.PathLike[str], name: str) -> pd.DataFrame:
  """Read a table of a workdir; empty if it does not exist.

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
    raise files.Damaged(
      f"{path} is not a readable table ({error}); remove it and "
      f"{path.parent.parent / 'status.json'}, and run the same command again."
    ) from error


def collect(
  workdirs: Iterable[str | os.PathLike[str]], name: str
) -> pd.DataFrame:
  """Join one table of many workdirs, with a column for the workdir."""
  frames = [read(w, name).assign(workdir=str(w)) for w in workdirs]
  frames = [f for f in frames if len(f.columns) > 1]
  return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
