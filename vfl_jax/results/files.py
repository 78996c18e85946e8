"""Files that are written completely or not at all."""

import os
import pathlib
import tempfile


class Damaged(ValueError):
  """A file of a workdir was changed or cut off after it was written."""


def write_text(path: str | os.PathLike[str], text: str) -> None:
  """Write a file completely or not at all; creates its folder if needed."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
  try:
    with os.fdopen(handle, "w", encoding="utf-8") as file:
      file.write(text)
      file.flush()
      os.fsync(file.fileno())
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
  except BaseException:
    if os.path.exists(temporary):
      os.unlink(temporary)
    raise
