"""Entries of a config: names, or dicts of a name and overrides."""

from collections.abc import Mapping
from typing import Any

import ml_collections

# names that stand for several attacks: all that can run; those adapted to the
# config's defences; and, of the attacks named beside it, those that can run
SETS = ("all", "adaptive", "possible")


def pieces(entries: Any) -> list[tuple[str, dict[str, Any]]]:
  """`(name, overrides)` of each entry, which is a name or a dict with a name.

  >>> pieces(("cut", {"name": "gaussian", "scale": 0.1}))
  [('cut', {}), ('gaussian', {'scale': 0.1})]

  Raises:
    ValueError: an entry is neither, or its name is not a string.
  """
  named = []
  for entry in entries:
    if isinstance(entry, str):
      named.append((entry, {}))
      continue
    if not isinstance(entry, (Mapping, ml_collections.ConfigDict)):
      raise ValueError(f"entry {entry!r} must be a name or a dict.")
    entry = dict(entry)
    if "name" not in entry:
      raise ValueError(f"entry {entry} needs a 'name'.")
    if not isinstance(entry["name"], str):
      raise ValueError(
        f"entry {entry} has the name {entry['name']!r}; it must be a string."
      )
    named.append((entry.pop("name"), entry))
  return named


def label(name: str, options: Mapping[str, Any]) -> str:
  """A name followed by the options that are set.

  >>> label("mine", {"critic": "concatenated"})
  'mine (critic=concatenated)'
  """
  settings = ", ".join(f"{key}={value}" for key, value in options.items())
  return f"{name} ({settings})" if settings else name


def labelled(entries: Any) -> list[tuple[str, str, dict[str, Any]]]:
  """`(label, name, overrides)` of each entry.

  An entry may have a label of its own, `{"name": ..., "label": ...}`. Otherwise
  a name that is used once is its label, and others are labelled by `label`.

  Raises:
    ValueError: two entries have the same label, or a label is not a string.

  >>> labelled(("norm", "hint", {"name": "hint", "known": 3}))[1:]
  [('hint', 'hint', {}), ('hint (known=3)', 'hint', {'known': 3})]
  """
  names = [name for name, _ in pieces(entries)]
  named = []
  for name, overrides in pieces(entries):
    given = overrides.pop("label", "")
    if not isinstance(given, str):
      raise ValueError(f"the label of {name!r} is {given!r}; make it a string.")
    usual = label(name, overrides) if names.count(name) > 1 else name
    named.append((given or usual, name, overrides))
  labels = [text for text, _, _ in named]
  for text in labels:
    if labels.count(text) > 1:
      raise ValueError(f"{text!r} is listed twice; its numbers would mix.")
  return named
