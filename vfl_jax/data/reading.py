"""One typed table from one file: Parquet, or text with any usual delimiter.

What people write as a number is one, and what was understood otherwise than it
stands in the file is said in a note. What cannot be understood is refused.
"""

import bz2
import codecs
from collections.abc import Callable, Collection, Iterator
import contextlib
import csv
import functools
import gzip
import itertools
import lzma
import pathlib
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vfl_jax.data import columns as data_columns

_PARQUET = (".parquet", ".pq")
_TEXT = (".csv", ".tsv", ".txt")
_PACKED: dict[str, Callable[..., Any]] = {
  ".gz": gzip.open,
  ".bz2": bz2.open,
  ".xz": lzma.open,
}
_DELIMITERS = ",;\t|"
_CHECKED = 1000  # rows whose fields are counted before the file is read


class Table(NamedTuple):
  """A file as read.

  Attributes:
    frame: columns by name; numbers, or text. What is missing is NaN.
    notes: sentences on what stands otherwise in the file.
  """

  frame: pd.DataFrame
  notes: tuple[str, ...]


class _Dialect(NamedTuple):
  delimiter: str
  encoding: str
  header: list[str]
  trailing: bool  # rows end in one more, empty field


def kind(path: pathlib.Path) -> str:
  """The format by the name: "parquet", "text", "npz", or empty if unknown."""
  suffixes = [s.lower() for s in path.suffixes]
  if suffixes and suffixes[-1] in _PACKED:
    suffixes.pop()
  last = suffixes[-1] if suffixes else ""
  if last in _PARQUET:
    return "parquet"
  return "text" if last in _TEXT else "npz" if last == ".npz" else ""


def columns(path: pathlib.Path) -> list[str]:
  """Names of a file's columns, without its rows.

  Raises:
    ValueError: the file cannot be read, or is of another format.
  """
  if kind(path) == "parquet":
    import pyarrow.parquet

    with _said(path):
      names = pyarrow.parquet.read_schema(path).names
    return [n for n in names if not re.fullmatch(r"__index_level_\d+__", n)]
  if kind(path) != "text":
    raise ValueError(
      f"data.path {str(path)!r} is of an unknown format; take a .parquet, "
      ".csv, .tsv (also packed, .csv.gz) or .npz file."
    )
  return [name for name in _dialect(path).header if name]


def table(
  path: pathlib.Path,
  as_text: Collection[str] = (),
  only: Collection[str] = (),
) -> Table:
  """The file, or some of its columns.

  Args:
    path: of the file.
    as_text: names of columns whose values are text, whatever they look like.
    only: names of the columns to read; all if it is empty.

  Raises:
    ValueError: the file cannot be read; a column holds lists or numbers that
      are infinite or too large; or the header is repeated among the rows.
  """
  notes: list[str] = []
  read = _parquet if kind(path) == "parquet" else _text
  frame = read(path, as_text, only, notes)
  frame = _without_numbering(frame, path, notes)
  repeated = _repeated_headers(frame)
  if repeated:
    raise ValueError(
      f"{path.name}: {repeated} rows repeat the header, as files that were "
      "glued together do; remove these rows."
    )
  return Table(
    pd.DataFrame(
      {
        name: frame[name]
        if name in as_text
        else data_columns.typed(
          frame[name], f"column {name!r} of {path.name}", notes
        )
        for name in frame
      }
    ),
    tuple(notes),
  )


@contextlib.contextmanager
def _said(path) -> Iterator[None]:
  """A library's error as a sentence that names the file."""
  try:
    yield
  except FileNotFoundError:
    raise
  except Exception as error:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise ValueError(
      f"{path} cannot be read ({first[:200]}); it may be damaged or of another "
      "format than its name says."
    ) from error


# --- formats ------------------------------------------------------------------


def _parquet(path, as_text, only, notes):
  del as_text, notes
  with _said(path):
    frame = pd.read_parquet(path, columns=list(only) or None)
  if any(frame.index.names):  # pandas' own index, with a name: a column
    frame = frame.reset_index()
  if only:
    frame = frame[list(only)]
  frame.columns = [str(c) for c in frame.columns]
  return frame


def _text(path, as_text, only, notes):
  dialect = _dialect(path)
  taken = [i for i, c in enumerate(dialect.header) if not only or c in only]
  if dialect.encoding == "latin-1":
    notes.append(f"{path.name} is not UTF-8 and was read as latin-1")
  if dialect.trailing:
    notes.append(
      f"rows of {path.name} end in an empty field, which was left out"
    )
  with _said(path):
    frame = pd.read_csv(
      path,
      sep=dialect.delimiter,
      encoding=dialect.encoding,
      index_col=False,
      usecols=taken,
      dtype=dict.fromkeys([c for c in as_text if c in dialect.header], str),
      low_memory=False,
      skipinitialspace=True,
    )
  frame.columns = [dialect.header[i] or f"Unnamed: {i}" for i in taken]
  empty = [
    name
    for name in frame
    if str(name).startswith("Unnamed: ") and frame[name].isna().all()
  ]
  return frame.drop(columns=empty)


def _dialect(path) -> _Dialect:
  with _said(path):
    about = path.stat()
  return _found(path, about.st_mtime_ns, about.st_size)


@functools.lru_cache
def _found(path, *_version) -> _Dialect:
  encoding = _encoding(path)
  with _said(path), _opened(path, "rt", encoding=encoding, newline="") as file:
    lines = list(itertools.islice(file, _CHECKED))
  if not lines or not lines[0].strip():
    raise ValueError(f"{path} has no header; give the names of the columns.")
  rows = {d: list(csv.reader(lines, delimiter=d)) for d in _DELIMITERS}
  delimiter = max(_DELIMITERS, key=lambda d: len(rows[d][0]))
  header = [name.strip() for name in rows[delimiter][0]]
  twice = sorted({name for name in header if name and header.count(name) > 1})
  if twice:
    raise ValueError(
      f"{path.name}: the column names {twice[:3]} occur twice; rename one of "
      "each."
    )
  # the last row that was looked at may go on
  checked = rows[delimiter][1 : -1 if len(lines) == _CHECKED else None]
  for number, row in enumerate(checked, start=2):
    if any(row[len(header) :]):
      raise ValueError(
        f"{path.name}: row {number} has {len(row)} fields and the header "
        f"{len(header)}; quote what holds the delimiter {delimiter!r}, or name "
        "every column."
      )
  trailing = any(len(row) > len(header) for row in checked)
  return _Dialect(delimiter, encoding, header, trailing)


def _encoding(path) -> str:
  decoder = codecs.getincrementaldecoder("utf-8")()
  with _said(path), _opened(path, "rb") as file:
    block = file.read(2**20)
    if block[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
      return "utf-16"
    while block:
      try:
        decoder.decode(block)
      except UnicodeDecodeError:
        return "latin-1"
      block = file.read(2**20)
  return "utf-8-sig"


def _opened(path, mode, **options):
  return _PACKED.get(path.suffix.lower(), open)(path, mode, **options)


# --- rows and columns that are none -------------------------------------------


def _without_numbering(frame, path, notes):
  """Without a column that has no name and numbers the rows."""
  for name in [c for c in frame if re.fullmatch(r"Unnamed: \d+|index", c)]:
    numbers = pd.to_numeric(frame[name], errors="coerce")
    if numbers.notna().all() and (np.diff(np.sort(numbers)) == 1).all():
      notes.append(f"column {name!r} of {path.name} numbers its rows; left out")
      frame = frame.drop(columns=name)
  return frame


def _repeated_headers(frame) -> int:
  """Number of rows that hold the columns' names."""
  texts = [c for c in frame if data_columns.is_text(frame[c])]
  if not texts:
    return 0
  same = np.mean(
    [(frame[c].astype(str) == c).to_numpy() for c in texts], axis=0
  )
  return int((same > 0.5).sum())
