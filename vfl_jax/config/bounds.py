"""Ranges of the options of attacks, refused before anything is compiled."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def within(name: str, what: str, value: float, low: float, high: float) -> None:
  """Refuse a strength out of its range.

  Raises:
    ValueError: with the value and the range.
  """
  if not low <= value <= high:
    raise ValueError(
      f"defence {name!r}: {what} is {value}; take {low:g} to {high:g}."
      if np.isfinite(high)
      else f"defence {name!r}: {what} is {value}; take at least {low:g}."
    )


def above(name: str, what: str, value: float, low: float = 0.0) -> None:
  """Refuse a strength that is not above `low`.

  Raises:
    ValueError: with the value and the range.
  """
  if not low < value < float("inf"):
    raise ValueError(
      f"defence {name!r}: {what} is {value}; it must be above {low:g}."
    )


def share(name: str, value: float) -> None:
  """Refuse a share of elements outside (0, 1].

  Raises:
    ValueError: with the value and the range.
  """
  if not 0 < value <= 1:
    raise ValueError(
      f"defence {name!r}: share is {value}; take above 0 and at most 1."
    )


ABOVE = 1e-12  # for what has to be more than zero


def at_least(
  attack: str, lowest: Mapping[str, float], given: Mapping[str, Any]
) -> None:
  """Refuse what lies below its bound.

  Args:
    attack: name, for the message.
    lowest: bounds by option.
    given: options by name, others among them.

  Raises:
    ValueError: the first of them, with its value and its bound.

  >>> at_least("unsplit", {"batch": 1}, {"batch": 0})
  Traceback (most recent call last):
  ...
  ValueError: attack 'unsplit': batch is 0; take at least 1.
  """
  for key, low in lowest.items():
    if not given[key] >= low:
      bound = "more than 0" if low == ABOVE else f"at least {low:g}"
      raise ValueError(
        f"attack {attack!r}: {key} is {given[key]}; take {bound}."
      )
