"""Tidy tables and small files of a workdir, written atomically; no jax."""

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


ORACLE = " (oracle)"  # after the name of an attack that chose by the labels


# a long table is parsed in pieces: "24" must not be a number in some of them
_TEXTS: Any = {"party": str, "warning": str, "strength": str}


def write(workdir: str | os.PathLike[str], name: str, rows: Iterable[Any]):
  """Write `tables/NAME.csv`, one measurement a row."""
  frame = pd.DataFrame(list(rows))
  files.write_text(
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
    raise files.Damaged(
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
