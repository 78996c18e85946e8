"""The journal of a training: its metrics, its state, and recorded messages.

The state is saved at the end, and before it so often that saving takes 3 % of
the training time. The records of an epoch are saved once, after the epoch.
"""

import functools
import pathlib
import time
from typing import Any

import jax

from vfl_jax.experiments import checkpoints
from vfl_jax.experiments import lifecycle
from vfl_jax.results import log
from vfl_jax.results import tables
from vfl_jax.runtime import hosts
from vfl_jax.runtime import mesh

PyTree = Any
SHARE = 0.03  # share of the training time for saving the state
# assumed cost of the first save: seconds, and bytes per second
_LEAST, _SPEED = 0.1, 1e8


class Journal:
  """The journal of one training, in its workdir.

  Args:
    workdir: folder of the run.
    layout: devices that arrays are on.
  """

  def __init__(self, workdir: pathlib.Path, layout: mesh.Layout):
    self._workdir = workdir
    self._layout = layout
    self._cost: float | None = None  # seconds that a save takes
    self._saved = time.monotonic()
    self._files = _Files(workdir) if hosts.leads() else None

  def resume(self, state: PyTree, kept: PyTree) -> tuple[int, PyTree, PyTree]:
    """Continue from the newest intact checkpoint.

    Args:
      state: state before training.
      kept: empty records, as before training.

    Returns:
      The number of epochs done, and the state and records after them.

    Raises:
      Refused: the checkpoint belongs to another program or other data.
    """
    done, restored = 0, None
    if self._files is not None:
      try:
        restored = self._files.restore(state, kept)
      except ValueError as error:
        raise lifecycle.Refused(
          f"workdir {self._workdir} cannot be resumed, {error} Have the data "
          "changed? Give another --workdir, or remove this one."
        ) from error
      done = restored[0] if restored else 0
      lines = log.read_metrics(self._workdir)
      log.write_metrics(self._workdir, [m for m in lines if m["epoch"] < done])
    done = int(hosts.agreed(done))
    if done:
      before = done, self._layout.whole(state), kept
      _, state, kept = restored or before
      state = self._layout.seeds(hosts.agreed(state))
    self._saved = time.monotonic()
    return done, state, kept

  def write(
    self, line: dict[str, Any], state: PyTree, kept: PyTree, last: bool
  ) -> None:
    """Write what a finished epoch leaves.

    Args:
      line: metrics by seed, and the number of the "epoch".
      state: state after the epoch.
      kept: records after the epoch.
      last: whether this is the last epoch, whose state is always saved.
    """
    done = line["epoch"] + 1
    if self._files is not None:
      log.append_metrics(self._workdir, line)
    fresh = due(kept, done)
    if jax.tree.leaves(fresh):
      fresh = self._layout.whole(fresh)
      if self._files is not None:
        self._files.recorded.save(done, fresh)
    if last or hosts.agreed(self._worth_it(state)):
      self._save(done, state)

  def _save(self, done, state):
    begun = time.monotonic()
    whole = self._layout.whole(state)
    if self._files is not None:
      self._files.save(done, whole)
      if self._cost is None:
        self._files.states.wait()
        self._cost = time.monotonic() - begun
    self._saved = time.monotonic()

  def _worth_it(self, state) -> bool:
    """Whether a save now keeps within its share of the time."""
    guess = _LEAST + checkpoints.size(state) / _SPEED
    cost = guess if self._cost is None else self._cost
    return time.monotonic() - self._saved >= cost / SHARE

  def close(self) -> None:
    """Wait until everything is on disk."""
    if self._files is not None:
      self._files.close()

  def table(self) -> None:
    """Write the metrics of all epochs as the table "training"."""
    if self._files is None:
      return
    rows = [
      {"epoch": m["epoch"], "seed": seed, "quantity": quantity, "value": v}
      for m in log.read_metrics(self._workdir)
      for quantity in m
      if quantity != "epoch"
      for seed, v in enumerate(m[quantity])
    ]
    tables.write(self._workdir, "training", rows)


def due(kept: PyTree, done: int) -> PyTree:
  """The records that become complete with the last of the epochs done.

  Args:
    kept: records by kind and name.
    done: number of epochs done.
  """
  recorded = {"messages": str(done - 1), "snapshots": str(done)}
  return {
    kind: {name: kept[kind][name]} if name in kept[kind] else {}
    for kind, name in recorded.items()
  }


def load(
  workdir: pathlib.Path, state: PyTree, kept: PyTree
) -> tuple[int, PyTree, PyTree] | None:
  """Load the newest state of a run and its records.

  Args:
    workdir: folder of the run.
    state: state before training.
    kept: empty records, as before training.

  Returns:
    The number of epochs done, and the state and records after them; None
    without an intact checkpoint.

  Raises:
    ValueError: the checkpoint has another structure, shapes or dtypes.
  """
  files = _Files(workdir)
  try:
    return files.restore(state, kept)
  finally:
    files.close()


class _Files:
  """The checkpoints of a run: states and records, by number of epochs done."""

  def __init__(self, workdir):
    self.states = checkpoints.Checkpoints(workdir / "checkpoints")
    self._workdir = workdir

  @functools.cached_property
  def recorded(self) -> checkpoints.Checkpoints:
    """Checkpoints of the records, opened on first use."""
    return checkpoints.Checkpoints(self._workdir / "recorded", keep=None)

  def save(self, done, state):
    if "recorded" in self.__dict__:
      self.recorded.wait()  # a state is of use only with the records before it
    self.states.save(done, state)

  def restore(self, state, kept):
    for done, saved in self.states.restored(state):
      whole = self._recorded(kept, done)
      if whole is not None:
        return done, saved, whole
    return None

  def _recorded(self, kept, done):
    """The records after this many epochs; None if one of them is damaged."""
    for step in range(1, done + 1):
      like = due(kept, step)
      if not jax.tree.leaves(like):
        continue
      fresh = self.recorded.read(step, like)
      if fresh is None:
        return None
      kept = {kind: {**kept[kind], **fresh[kind]} for kind in kept}
    return kept

  def close(self):
    self.states.close()
    if "recorded" in self.__dict__:
      self.recorded.close()
