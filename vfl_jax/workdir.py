"""The folder of one run."""

from collections.abc import Mapping
import os
import pathlib
from typing import Any

from vfl_jax import config as configs
from vfl_jax import tables


class Refused(ValueError):
  """The folder or the data are not as the config says: one sentence."""


def claim(
  config: Mapping[str, Any], workdir: str | os.PathLike[str]
) -> pathlib.Path:
  """Create the folder or check that it belongs to this config.

  Raises:
    Refused: it belongs to another config, or cannot be written.
  """
  workdir = pathlib.Path(workdir)
  text = configs.as_json(config)
  path = workdir / "config.json"
  try:
    if path.is_file():
      try:
        before = configs.from_json(path.read_text("utf-8"))
      except ValueError as error:
        raise Refused(
          f"workdir {workdir} is damaged: its config.json cannot be read "
          f"({error}); give another --workdir, or remove it."
        ) from error
      odd = _difference(before.to_dict(), configs.from_json(text).to_dict())
      if odd:
        raise Refused(
          f"workdir {workdir} belongs to another config ({odd}); give "
          "another --workdir, or remove it."
        )
    tables.write_text(path, text)
  except OSError as error:
    raise Refused(
      f"workdir {workdir} cannot be written ({error.strerror}); give another"
      " --workdir."
    ) from error
  return workdir


def _difference(before, after, prefix="") -> str:
  """The first key whose value differs, in words."""
  for key in sorted({**before, **after}):
    a, b = before.get(key), after.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
      found = _difference(a, b, f"{prefix}{key}.")
      if found:
        return found
    elif a != b:
      return f"{prefix}{key} was {a!r}, is {b!r}"
  return ""
