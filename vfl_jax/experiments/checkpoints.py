"""Checkpoints through orbax: synchronous, atomic, verified, the newest two.

The state is packed into one byte array with a checksum beside it: orbax pays
per leaf and reads a flipped bit without complaint. This is the only file that
imports orbax.
"""

import logging
import os
import pathlib
from typing import Any
import warnings
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from vfl_jax.experiments import lifecycle
from vfl_jax.results import log
from vfl_jax.results import tables
from vfl_jax.runtime import hosts
from vfl_jax.runtime import mesh

# orbax logs as errors what it also raises
for _name in ("absl", "asyncio"):
  logging.getLogger(_name).setLevel(logging.CRITICAL)


class Checkpoints:
  """One writer per folder; opening removes what a killed writer left behind."""

  def __init__(self, directory: str | os.PathLike[str], keep: int = 2):
    directory = pathlib.Path(directory).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    own = jax.process_index()
    options = ocp.CheckpointManagerOptions(
      max_to_keep=keep,
      create=False,
      cleanup_tmp_directories=True,
      enable_async_checkpointing=False,
      # other hosts have nothing to do with it; not in orbax's newer interface
      multiprocessing_options=ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}
      ),
    )
    self._orbax = ocp.CheckpointManager(directory, options=options)

  def save(self, step: int, state: Any) -> None:
    """Save arrays; complete and renamed into place on return."""
    flat = {k: np.asarray(v) for k, v in _flat(state).items()}
    packed = np.concatenate(
      [
        np.ascontiguousarray(v).reshape(-1).view(np.uint8)
        for v in flat.values()
      ]
    )
    contents = {
      "spec": {k: [str(v.dtype), list(v.shape)] for k, v in flat.items()},
      "checksum": zlib.crc32(packed),
    }
    if step in self._orbax.all_steps():  # damaged, or it were not done again
      self._orbax.delete(step)
    # without `force` orbax may skip a save and not say so
    self._orbax.save(
      step,
      args=ocp.args.PyTreeSave({"state": packed}),
      custom_metadata=contents,
      force=True,
    )

  def restore(self, like: Any) -> tuple[int, Any] | None:
    """`(step, state)` of the newest checkpoint that reads back whole.

    Args:
      like: a state of the same structure, shapes and dtypes.

    Returns:
      None where there is none. A damaged one is passed over with a warning.

    Raises:
      ValueError: the checkpoint belongs to another structure.
    """
    for step in sorted(self._orbax.all_steps(), reverse=True):
      try:
        contents: Any = self._orbax.metadata(step).custom_metadata
        found = self._orbax.restore(
          step, args=ocp.args.PyTreeRestore({"state": 0})
        )
        packed = np.asarray(found["state"])
        if zlib.crc32(packed) != contents["checksum"]:
          raise OSError("contents do not match their checksum")
      except Exception as error:  # orbax raises many types, some private
        warnings.warn(
          f"checkpoint {step} is damaged ({type(error).__name__}); the one "
          "before it is used.",
          stacklevel=2,
        )
        continue
      return step, _unpack(packed, contents["spec"], like)
    return None

  def close(self) -> None:
    self._orbax.close()


def _flat(tree) -> dict[str, Any]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _unpack(packed, spec, like):
  wanted = {k: [str(v.dtype), list(v.shape)] for k, v in _flat(like).items()}
  if wanted != spec:
    odd = [k for k in {**wanted, **spec} if wanted.get(k) != spec.get(k)]
    raise ValueError(
      f"the checkpoint does not fit this program: {sorted(odd)[:4]} differ."
    )
  leaves, start = [], 0
  for dtype, shape in spec.values():
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    values = packed[start : start + size].copy().view(dtype).reshape(shape)
    leaves.append(jnp.asarray(values))
    start += size
  return jax.tree.unflatten(jax.tree.structure(like), leaves)


PyTree = Any


class Journal:
  """The journal of one training, in its workdir.

  Args:
    workdir: of the run.
    layout: where arrays live.
  """

  def __init__(self, workdir: pathlib.Path, layout: mesh.Layout):
    self._workdir = workdir
    self._layout = layout
    self._checkpoints = None
    if hosts.leads():
      self._checkpoints = Checkpoints(workdir / "checkpoints")

  def resume(self, state: PyTree, kept: PyTree) -> tuple[int, PyTree, PyTree]:
    """The epochs done and what they left, from the newest whole checkpoint.

    Args:
      state: before training.
      kept: before training.

    Raises:
      Refused: the checkpoint belongs to another program or other data.
    """
    done, found = 0, None
    if self._checkpoints is not None:
      try:
        found = self._checkpoints.restore({"state": state, "kept": kept})
      except ValueError as error:
        raise lifecycle.Refused(
          f"workdir {self._workdir} cannot be resumed, {error} Have the data "
          "changed? Give another --workdir, or remove it."
        ) from error
      done = found[0] if found else 0
      lines = log.read_metrics(self._workdir)
      log.write_metrics(self._workdir, [m for m in lines if m["epoch"] < done])
    done = int(hosts.agreed(done))
    if done:
      before = {"state": self._layout.whole(state), "kept": kept}
      contents = found[1] if found else before
      state = self._layout.seeds(hosts.agreed(contents["state"]))
      kept = contents["kept"]
    return done, state, kept

  def write(self, line: dict[str, Any], state: PyTree, kept: PyTree) -> None:
    """An epoch that is done: whole on disk on return.

    Args:
      line: its metrics, by seed, and the number of the "epoch".
      state: after it.
      kept: after it.
    """
    contents = self._layout.whole({"state": state, "kept": kept})
    if self._checkpoints is not None:
      log.append_metrics(self._workdir, line)
      self._checkpoints.save(line["epoch"] + 1, contents)

  def close(self) -> None:
    """End; the metrics of all epochs become a table."""
    if self._checkpoints is None:
      return
    self._checkpoints.close()
    rows = [
      {"epoch": m["epoch"], "seed": seed, "quantity": quantity, "value": v}
      for m in log.read_metrics(self._workdir)
      for quantity in m
      if quantity != "epoch"
      for seed, v in enumerate(m[quantity])
    ]
    tables.write(self._workdir, "training", rows)
