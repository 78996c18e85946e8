"""Ranges of the options of attacks, refused before anything is compiled."""

from collections.abc import Mapping
from typing import Any

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
