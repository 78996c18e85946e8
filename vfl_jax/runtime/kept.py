"""Caches results on disk, by the content of their inputs.

Results that do not depend on a federation are computed once for all cells and
all processes of a study.
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
import jax
import numpy as np

_MOST = 8 << 30  # largest number of bytes of all results on disk
_PACKAGES = ("numpy", "scipy", "scikit-learn", "jax", "flax", "optax")

Result = TypeVar("Result")


def kept(
  kind: Callable[..., Result],
  compute: Callable[[], Result],
  content: Sequence[Any],
  sources: Sequence[str],
) -> Result:
  """A result from the cache, or else computed and stored there.

  The result is computed if the folder cannot be written or a file is damaged.

  Args:
    kind: named tuple of arrays; the type of the result.
    compute: function that computes the result.
    content: arrays, numbers and texts that the result depends on.
    sources: source files that the result depends on. A change of their code,
      of the version of one of `_PACKAGES`, of the backend, or of `XLA_FLAGS`
      makes another result.

  Returns:
    The result with numpy arrays.

  Raises:
    TypeError: an entry of `content` is of Python objects.
  """
  folder = _folder()
  path = folder / f"{_digest(content, sources)}.npz"
  try:
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_suffix(".lock"))
    lock.acquire()  # waits for a process that computes the same result
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
  # programs round differently on another device and by other optimisations
  flags = os.environ.get("XLA_FLAGS", "").split()
  digest.update(f"{jax.default_backend()} {sorted(flags)};".encode())
  for source in sources:
    digest.update(pathlib.Path(source).read_bytes())
  for item in content:
    array = np.ascontiguousarray(item)
    if array.dtype.hasobject:
      raise TypeError(
        f"an array of dtype {array.dtype} has no content to tell results apart "
        "by; give numbers or texts."
      )
    digest.update(f"{array.dtype} {array.shape};".encode())
    digest.update(array.tobytes())
  return digest.hexdigest()[:32]


def _write(path, result) -> None:
  """Writes atomically: another process never sees half of a file."""
  with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
    try:
      np.savez(file, *map(np.asarray, result))
    except BaseException:
      pathlib.Path(file.name).unlink()
      raise
  os.replace(file.name, path)


def _make_room(folder, latest) -> None:
  """Removes the least recently used results beyond the limit."""
  files = sorted(folder.glob("*.npz"), key=lambda p: p.stat().st_mtime)
  total = sum(p.stat().st_size for p in files)
  for path in files:
    if total <= _MOST or path == latest:
      break
    total -= path.stat().st_size
    path.unlink(missing_ok=True)
