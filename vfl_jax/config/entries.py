"""Entries of a config: names, or dicts of a name and overrides."""

from collections.abc import Mapping
from typing import Any

import ml_collections

# names that stand for several attacks: every one that can run, those that know
# the defences of the config, and of those named the ones that can run
SETS = ("all", "adaptive", "possible")


def pieces(entries: Any) -> list[tuple[str, dict[str, Any]]]:
  """`(name, overrides)` of entries that are names or dicts with a name.

  >>> pieces(("cut", {"name": "gaussian", "scale": 0.1}))
  [('cut', {}), ('gaussian', {'scale': 0.1})]

  Raises:
    ValueError: an entry that is neither, or whose name is not a text.
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
        f"entry {entry} has the name {entry['name']!r}; a name is a text."
      )
    named.append((entry.pop("name"), entry))
  return named


def label(name: str, options: Mapping[str, Any]) -> str:
  """A piece with what is set of it.

  >>> label("mine", {"critic": "concatenated"})
  'mine (critic=concatenated)'
  """
  settings = ", ".join(f"{key}={value}" for key, value in options.items())
  return f"{name} ({settings})" if settings else name


def labelled(entries: Any) -> list[tuple[str, str, dict[str, Any]]]:
  """`(label, name, overrides)` of entries; a name used once is its label.

  An entry may bring a label of its own, `{"name": ..., "label": ...}`.

  Raises:
    ValueError: two entries of one label.

  >>> labelled(("norm", "hint", {"name": "hint", "known": 3}))[1:]
  [('hint', 'hint', {}), ('hint (known=3)', 'hint', {'known': 3})]
  """
  names = [name for name, _ in pieces(entries)]
  named = []
  for name, overrides in pieces(entries):
    given = overrides.pop("label", "")
    if not isinstance(given, str):
      raise ValueError(f"the label of {name!r} is {given!r}; it is a text.")
    usual = label(name, overrides) if names.count(name) > 1 else name
    named.append((given or usual, name, overrides))
  labels = [text for text, _, _ in named]
  for text in labels:
    if labels.count(text) > 1:
      raise ValueError(f"{text!r} is listed twice; its numbers would mix.")
  return named
