"""Parts of a page that need nothing but a title, a figure and a table."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd


class Section(NamedTuple):
  """A part of a page.

  Attributes:
    title: its heading.
    text: what the reader should know before looking.
    figure: its name among `figures.FIGURES`, "" for none.
    columns: of the table, from left to right.
    rows: of cells, as text.
    note: below the table.
  """

  title: str
  text: str
  figure: str = ""
  columns: Sequence["Column"] = ()
  rows: Sequence[Sequence[str]] = ()
  note: str = ""


class Column(NamedTuple):
  """A heading, what a row says below it, and whether that is a number."""

  title: str
  of: Callable[[dict[str, Any]], str]
  number: bool = True


def section(
  title: str,
  text: str,
  frame: pd.DataFrame,
  columns: Sequence[Column],
  *,
  figure: str = "",
  note: str = "",
) -> Section:
  """A section whose table has a line for each row of a frame."""
  rows = [[c.of(r) for c in columns] for r in frame.to_dict("records")]
  return Section(title, text, figure, columns, rows, note)


def words(key: str) -> Callable[[dict[str, Any]], str]:
  """A name, without underscores."""
  return lambda row: (
    "" if row[key] != row[key] else str(row[key]).replace("_", " ")
  )


def number(key: str, form: str = "{:.3f}") -> Callable[[dict[str, Any]], str]:
  """A number; nothing where there is none."""
  return lambda row: form.format(row[key]) if row[key] == row[key] else ""


def between(
  key: str, form: str = "{:.3f}", prefix: str = ""
) -> Callable[[dict[str, Any]], str]:
  """A number with its interval: `key`, `prefix`low and `prefix`high."""

  def of(row):
    low, high = (row[f"{prefix or key + '_'}{end}"] for end in ("low", "high"))
    if row[key] != row[key]:
      return ""
    middle = form.format(row[key])
    if low != low:
      return middle
    return f"{middle} [{form.format(low)}, {form.format(high)}]"

  return of
