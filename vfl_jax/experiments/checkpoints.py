"""Arrays on disk, by name, through orbax: in the background, atomic, verified.

Orbax does not notice a flipped bit, so every array is stored with a checksum.
Only this file imports orbax.
"""

from collections.abc import Iterator
import errno
import logging
import os
import pathlib
import shutil
from typing import Any
import warnings
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

PyTree = Any
_MARGIN = 1 << 20  # bytes needed beyond the arrays themselves

# orbax logs as errors what it raises as well
for _name in ("absl", "asyncio"):
  logging.getLogger(_name).setLevel(logging.CRITICAL)


class Checkpoints:
  """The checkpoints of a folder, which may have one writer at a time.

  Opening removes the incomplete files of a writer that was killed.

  Args:
    directory: folder of the checkpoints; created if needed.
    keep: number of checkpoints to keep, the newest ones; None for all.
  """

  def __init__(self, directory: str | os.PathLike[str], keep: int | None = 2):
    directory = pathlib.Path(directory).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    self._directory = directory
    process = jax.process_index()
    options = ocp.CheckpointManagerOptions(
      max_to_keep=keep,
      create=False,
      cleanup_tmp_directories=True,
      enable_async_checkpointing=True,
      # no other host takes part; orbax's newer interface has no such option
      multiprocessing_options=ocp.options.MultiprocessingOptions(
        primary_host=process, active_processes={process}
      ),
    )
    self._orbax = ocp.CheckpointManager(directory, options=options)

  def save(self, step: int, tree: PyTree) -> None:
    """Copy the arrays, and save them while the program goes on.

    Args:
      step: number of the checkpoint; an existing one is replaced.
      tree: arrays to save.

    Raises:
      OSError: the disk is full.
      Exception: an error from saving the previous checkpoint.
    """
    # copies: the state is donated to the next epoch
    arrays = {k: np.array(v, order="C") for k, v in _named(tree).items()}
    # orbax would print a traceback for each array on a full disk
    if shutil.disk_usage(self._directory).free < size(arrays) + _MARGIN:
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # an existing one is damaged, else its epochs would not be repeated
    if step in self._orbax.all_steps():
      self._orbax.delete(step)
    # without `force` orbax may silently skip a save
    self._orbax.save(
      step,
      args=ocp.args.PyTreeSave(arrays),
      custom_metadata={k: zlib.crc32(v) for k, v in arrays.items()},
      force=True,
    )

  def wait(self) -> None:
    """Wait until everything is on disk."""
    self._orbax.wait_until_finished()

  def restored(self, like: PyTree) -> Iterator[tuple[int, PyTree]]:
    """Yield `(step, tree)` of each intact checkpoint, from the newest on.

    Args:
      like: tree of the same structure, shapes and dtypes.

    Raises:
      ValueError: a checkpoint has another structure, shapes or dtypes.
    """
    for step in sorted(self._orbax.all_steps(), reverse=True):
      tree = self.read(step, like)
      if tree is not None:
        yield step, tree

  def read(self, step: int, like: PyTree) -> PyTree | None:
    """Read one checkpoint; None, with a warning, if it is damaged or missing.

    Args:
      step: number of the checkpoint.
      like: tree of the same structure, shapes and dtypes.

    Raises:
      ValueError: the checkpoint has another structure, shapes or dtypes.
    """
    try:
      checksums: Any = self._orbax.metadata(step).custom_metadata
      arrays = self._orbax.restore(
        step, args=ocp.args.PyTreeRestore(dict.fromkeys(checksums, 0))
      )
      arrays = {k: np.asarray(v, order="C") for k, v in arrays.items()}
      if any(zlib.crc32(v) != checksums[k] for k, v in arrays.items()):
        raise OSError("contents do not match their checksum")
    except Exception as error:  # orbax raises many types, some private
      warnings.warn(
        f"checkpoint {step} is damaged ({type(error).__name__}); the one "
        "before it is used instead.",
        stacklevel=2,
      )
      return None
    return _filled(arrays, like)

  def close(self) -> None:
    """Wait until everything is on disk, and end the saving thread."""
    self._orbax.close()


def size(tree: PyTree) -> int:
  """Number of bytes of all arrays of a tree."""
  return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def _named(tree) -> dict[str, Any]:
  """Arrays by their paths, without empty ones, which orbax does not accept."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  names = {
    jax.tree_util.keystr(path, simple=True, separator="."): leaf
    for path, leaf in leaves
  }
  return {name: leaf for name, leaf in names.items() if leaf.size}


def _filled(arrays, like):
  """The tree `like` with these arrays, which must match it."""
  described = lambda named: {
    name: (np.dtype(a.dtype), tuple(a.shape)) for name, a in named.items()
  }
  wanted, given = described(_named(like)), described(arrays)
  odd = [k for k in {**wanted, **given} if wanted.get(k) != given.get(k)]
  if odd:
    raise ValueError(
      f"the checkpoint does not fit this program: {sorted(odd)[:4]} differ."
    )
  leaves, structure = jax.tree_util.tree_flatten_with_path(like)
  name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
  return jax.tree.unflatten(
    structure,
    [jnp.asarray(arrays.get(name(path), leaf)) for path, leaf in leaves],
  )
