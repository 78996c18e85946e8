"""Sections of a page that consist of a title, text, a figure and a table."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd


class Section(NamedTuple):
  """A section of a page.

  Attributes:
    title: heading.
    text: introduction for the reader.
    figure: name of a figure in `figures.FIGURES`; "" for none.
    columns: columns of the table, from left to right.
    rows: rows of the table, each a sequence of cells as text.
    note: text below the table.
  """

  title: str
  text: str
  figure: str = ""
  columns: Sequence["Column"] = ()
  rows: Sequence[Sequence[str]] = ()
  note: str = ""


class Column(NamedTuple):
  """A column of a table.

  Attributes:
    title: heading.
    of: `of(row)`, the text of a row's cell.
    number: whether cells are numbers, which are aligned to the right.
  """

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
  """A section whose table has a line for each row of a frame.

  Args:
    title: heading.
    text: introduction for the reader.
    frame: table of the workdir.
    columns: columns, from left to right.
    figure: name of a figure; "" for none.
    note: text below the table.
  """
  rows = [[c.of(r) for c in columns] for r in frame.to_dict("records")]
  return Section(title, text, figure, columns, rows, note)


def words(key: str) -> Callable[[dict[str, Any]], str]:
  """Text of a column, without underscores; empty for NaN."""
  return lambda row: (
    "" if row[key] != row[key] else str(row[key]).replace("_", " ")
  )


def number(key: str, form: str = "{:.3f}") -> Callable[[dict[str, Any]], str]:
  """Number of a column in the given format; empty for NaN."""
  return lambda row: form.format(row[key]) if row[key] == row[key] else ""


def between(
  key: str, form: str = "{:.3f}", prefix: str = ""
) -> Callable[[dict[str, Any]], str]:
  """Number of a column with its interval, empty for NaN.

  Args:
    key: column of the number.
    form: format of all numbers.
    prefix: prefix of the columns "low" and "high"; by default `key` and "_".
  """

  def of(row):
    low, high = (row[f"{prefix or key + '_'}{end}"] for end in ("low", "high"))
    if row[key] != row[key]:
      return ""
    middle = form.format(row[key])
    if low != low:
      return middle
    return f"{middle} [{form.format(low)}, {form.format(high)}]"

  return of
