"""Results on disk, by the content of what they were computed from.

What does not depend on a federation is computed once for all cells of a study
and all of its processes.
"""

from collections.abc import Callable, Sequence
import contextlib
import hashlib
import importlib.metadata
import os
import pathlib
import tempfile
from typing import Any, TypeVar
import zipfile

import filelock
import numpy as np

_MOST = 2 << 30  # bytes on disk, of all results
_PACKAGES = ("numpy", "scipy", "scikit-learn", "jax")

Result = TypeVar("Result")


def kept(
  kind: Callable[..., Result],
  compute: Callable[[], Result],
  content: Sequence[Any],
  sources: Sequence[str],
) -> Result:
  """A result that an earlier process left, or else computed and left.

  Where the folder cannot be written, or a file is damaged, it is computed.

  Args:
    kind: named tuple of arrays that the result is.
    compute: what computes it.
    content: arrays, numbers and texts that it depends on.
    sources: files of code that it depends on: with other code, or other
      versions of `_PACKAGES`, it is another result.

  Returns:
    The result; its arrays are of numpy.
  """
  folder = _folder()
  path = folder / f"{_digest(content, sources)}.npz"
  try:
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_suffix(".lock"))
    lock.acquire()  # whoever is at it already will have it done
  except OSError:
    return compute()
  try:
    with contextlib.suppress(
      OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile
    ):
      with path.open("rb") as opened:
        file = np.load(opened, allow_pickle=False)
        stored = kind(*(file[f"arr_{i}"] for i in range(len(file.files))))
      os.utime(path)
      return stored
    result = compute()
    with contextlib.suppress(OSError):
      _write(path, result)
      _make_room(folder, path)
    return result
  finally:
    lock.release()
    with contextlib.suppress(OSError):
      pathlib.Path(lock.lock_file).unlink()


def _folder() -> pathlib.Path:
  cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
  return pathlib.Path(cache).expanduser() / "vfl_jax" / "controls"


def _digest(content, sources) -> str:
  digest = hashlib.sha256()
  for name in _PACKAGES:
    digest.update(f"{name} {importlib.metadata.version(name)};".encode())
  for source in sources:
    digest.update(pathlib.Path(source).read_bytes())
  for item in content:
    array = np.ascontiguousarray(item)
    if array.dtype.hasobject:
      raise TypeError(f"{array.dtype} has no content to tell results apart by.")
    digest.update(f"{array.dtype} {array.shape};".encode())
    digest.update(array.tobytes())
  return digest.hexdigest()[:32]


def _write(path, result) -> None:
  """All at once: another process never sees half of it."""
  with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
    try:
      np.savez(file, *map(np.asarray, result))
    except BaseException:
      pathlib.Path(file.name).unlink()
      raise
  os.replace(file.name, path)


def _make_room(folder, latest) -> None:
  """Remove what was not asked for longest."""
  files = sorted(folder.glob("*.npz"), key=lambda p: p.stat().st_mtime)
  total = sum(p.stat().st_size for p in files)
  for path in files:
    if total <= _MOST or path == latest:
      break
    total -= path.stat().st_size
    path.unlink(missing_ok=True)
