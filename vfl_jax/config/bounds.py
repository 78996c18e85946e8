"""Checks of the ranges of options, made before anything is compiled."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def within(name: str, what: str, value: float, low: float, high: float) -> None:
  """Check that a strength of a defence lies in its range.

  Args:
    name: name of the defence, for the message.
    what: name of the option.
    value: value of the option.
    low: smallest value allowed.
    high: largest value allowed; infinity for no limit.

  Raises:
    ValueError: the value is out of range.
  """
  if not low <= value <= high:
    raise ValueError(
      f"defence {name!r}: {what} is {value}; take {low:g} to {high:g}."
      if np.isfinite(high)
      else f"defence {name!r}: {what} is {value}; take at least {low:g}."
    )


def above(name: str, what: str, value: float, low: float = 0.0) -> None:
  """Check that a strength of a defence is finite and above a bound.

  Args:
    name: name of the defence, for the message.
    what: name of the option.
    value: value of the option.
    low: the value must be larger than this.

  Raises:
    ValueError: the value is not above the bound.
  """
  if not low < value < float("inf"):
    raise ValueError(
      f"defence {name!r}: {what} is {value}; it must be above {low:g}."
    )


def share(name: str, value: float) -> None:
  """Check that a share of elements lies in (0, 1].

  Args:
    name: name of the defence, for the message.
    value: the share.

  Raises:
    ValueError: the share is out of range.
  """
  if not 0 < value <= 1:
    raise ValueError(
      f"defence {name!r}: share is {value}; take above 0 and at most 1."
    )


ABOVE = 1e-12  # bound of options that must be more than zero


def at_least(
  attack: str, lowest: Mapping[str, float], given: Mapping[str, Any]
) -> None:
  """Check that the options of an attack reach their lower bounds.

  Args:
    attack: name of the attack, for the message.
    lowest: smallest value allowed, by option.
    given: values by option; options without a bound may be among them.

  Raises:
    ValueError: an option is below its bound.

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
