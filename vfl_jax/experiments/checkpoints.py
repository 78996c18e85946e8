"""Arrays on disk, by name, through orbax: in the background, atomic, verified.

Orbax reads a flipped bit without complaint, so that every array has a checksum
beside it. This is the only file that imports orbax.
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
_MARGIN = 1 << 20  # bytes beside the arrays themselves

# orbax logs as errors what it also raises
for _name in ("absl", "asyncio"):
  logging.getLogger(_name).setLevel(logging.CRITICAL)


class Checkpoints:
  """One writer per folder; opening removes what a killed writer left behind.

  Args:
    directory: created if need be.
    keep: how many of the newest are kept; None for all.
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
      # other hosts have nothing to do with it; not in orbax's newer interface
      multiprocessing_options=ocp.options.MultiprocessingOptions(
        primary_host=process, active_processes={process}
      ),
    )
    self._orbax = ocp.CheckpointManager(directory, options=options)

  def save(self, step: int, tree: PyTree) -> None:
    """Copy the arrays and save them while the program goes on.

    Raises:
      OSError: the disk is full.
      Exception: what went wrong when the one before was saved.
    """
    # copies: the state is donated to the next epoch
    arrays = {k: np.array(v, order="C") for k, v in _named(tree).items()}
    # on a full disk each of its arrays would tell of it, with a traceback
    if shutil.disk_usage(self._directory).free < size(arrays) + _MARGIN:
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if step in self._orbax.all_steps():  # damaged, or it were not done again
      self._orbax.delete(step)
    # without `force` orbax may skip a save and not say so
    self._orbax.save(
      step,
      args=ocp.args.PyTreeSave(arrays),
      custom_metadata={k: zlib.crc32(v) for k, v in arrays.items()},
      force=True,
    )

  def wait(self) -> None:
    """Until everything is on disk."""
    self._orbax.wait_until_finished()

  def restored(self, like: PyTree) -> Iterator[tuple[int, PyTree]]:
    """`(step, tree)` of each checkpoint that reads back whole, newest first.

    Args:
      like: a tree of the same structure, shapes and dtypes.

    Raises:
      ValueError: a checkpoint belongs to another structure.
    """
    for step in sorted(self._orbax.all_steps(), reverse=True):
      tree = self.read(step, like)
      if tree is not None:
        yield step, tree

  def read(self, step: int, like: PyTree) -> PyTree | None:
    """One checkpoint; None, with a warning, if it is damaged or not there.

    Raises:
      ValueError: it belongs to another structure.
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
        "before it is used.",
        stacklevel=2,
      )
      return None
    return _filled(arrays, like)

  def close(self) -> None:
    """Wait, and end the thread that saves."""
    self._orbax.close()


def size(tree: PyTree) -> int:
  """Bytes of all arrays."""
  return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def _named(tree) -> dict[str, Any]:
  """Arrays by the path to them; orbax takes none without entries."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  names = {
    jax.tree_util.keystr(path, simple=True, separator="."): leaf
    for path, leaf in leaves
  }
  return {name: leaf for name, leaf in names.items() if leaf.size}


def _filled(arrays, like):
  """The tree with these arrays."""
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
