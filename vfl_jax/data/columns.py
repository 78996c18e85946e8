"""Columns as numbers or as text, as people write them.

What was understood otherwise than it stands in the file is said in a note; what
cannot be a column of a table is refused.
"""

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd

_MISSING = {"", "?", "-", ".", "na", "n/a", "nan", "null", "none", "<na>"}
_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_THOUSANDS = r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?"
_DATE = r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?"
_LARGEST = float(np.finfo(np.float32).max)


def identifiers(column: pd.Series) -> pd.Series:
  """Identifiers as text, alike however a file wrote them; missing ones NaN.

  >>> identifiers(pd.Series([7.0, None])).tolist()
  ['7', nan]
  """
  text = column.astype("string").str.strip()
  text = text.str.replace(r"^([-+]?\d+)\.0+$", r"\1", regex=True)
  text = text.mask(text.str.lower().isin(_MISSING - {"-", "."}))
  return text.astype(object).where(text.notna(), np.nan)


def is_text(column: pd.Series) -> bool:
  """Whether a column holds text, or objects."""
  return column.dtype == object or pd.api.types.is_string_dtype(column.dtype)


def typed(column: pd.Series, where: str, notes: list[str]) -> pd.Series:
  """A column as numbers, as booleans, or as text.

  Args:
    column: as a file's reader gives it.
    where: what to call it in messages.
    notes: sentences are added on what was understood otherwise.

  Raises:
    ValueError: it holds lists, or numbers that are infinite or too large.
  """
  if pd.api.types.is_datetime64_any_dtype(column):
    return _days(column, where, notes)
  if pd.api.types.is_timedelta64_dtype(column):
    return column.dt.total_seconds() / 86400
  if column.dtype == object:
    first = next(iter(column.dropna()), None)
    if isinstance(first, (list, tuple, dict, set, np.ndarray)):
      raise ValueError(
        f"{where} holds lists; spread them over columns, one number each, or "
        "name the column in data.drop."
      )
    if isinstance(first, decimal.Decimal):
      column = column.map(float, na_action="ignore").astype(float)
    elif isinstance(first, (datetime.date, datetime.datetime)):
      return _days(pd.to_datetime(column), where, notes)
  if pd.api.types.is_bool_dtype(column):
    missing = column.isna()
    return column.astype(object).mask(missing) if missing.any() else column
  if isinstance(column.dtype, pd.CategoricalDtype):
    return column
  if not pd.api.types.is_numeric_dtype(column):
    column = _parsed(column, where, notes)
  if not pd.api.types.is_numeric_dtype(column):
    return column
  if pd.api.types.is_extension_array_dtype(column):  # numbers that may lack
    dtype: Any = column.dtype
    kind = float if column.isna().any() else dtype.numpy_dtype
    column = column.astype(kind)
  _check(column, where)
  return column


def _check(column, where):
  numbers = column.to_numpy(float, na_value=np.nan)
  if np.isinf(numbers).any():
    raise ValueError(
      f"{where} holds {int(np.isinf(numbers).sum())} infinite values; leave "
      "them empty, or name the column in data.drop."
    )
  largest = np.nanmax(np.abs(numbers), initial=0)
  if largest > _LARGEST:
    raise ValueError(
      f"{where} holds numbers up to {largest:.3g}, more than float32 holds "
      f"({_LARGEST:.1g}); divide them, or name the column in data.drop."
    )


def _days(column, where, notes):
  notes.append(f"{where} holds dates, read as days since 1970")
  moments = pd.to_datetime(column, utc=True).dt.tz_localize(None)
  return (moments - pd.Timestamp(0)) / np.timedelta64(1, "D")


def _parsed(column, where, notes):
  """Text as numbers where all of it says numbers or that one is missing."""
  text = column.astype("string").str.strip()
  missing = text.isna() | text.str.lower().isin(_MISSING)
  written = text[~missing]
  if written.empty:
    return pd.Series(np.nan, column.index, name=column.name)
  thousands = written.str.fullmatch(_THOUSANDS)
  numbers = thousands | written.str.fullmatch(_NUMBER)
  if numbers.all():
    said = sorted(set(text[missing & text.notna()]) - {""})
    if said:
      count = int((missing & text.notna()).sum())
      notes.append(f"{where}: {count} values {said[0]!r} were read as missing")
    if thousands.any():
      notes.append(f"{where}: commas between thousands were read as such")
    plain = written.str.replace(",", "", regex=False).astype(float)
    return plain.reindex(column.index).rename(column.name).astype(float)
  if written.str.fullmatch(_DATE).all():
    dates = pd.to_datetime(text.where(~missing), format="ISO8601", utc=True)
    return _days(dates, where, notes)
  if numbers.mean() > 0.9:
    odd = written[~numbers].iloc[0]
    notes.append(
      f"{where}: {int((~numbers).sum())} of {len(written)} values are no "
      f"numbers, e.g. {odd!r}; all were read as categories"
    )
  elif written.nunique() > 0.9 * len(written) > 45:
    notes.append(
      f"{where}: {written.nunique()} of {len(written)} values differ; each was "
      "read as a category"
    )
  return column
