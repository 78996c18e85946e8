"""What a training leaves behind between epochs: metrics and checkpoints.

With several hosts the first one reads and writes; the others hear from it.
"""

import pathlib
from typing import Any

from vfl_jax import checkpoint
from vfl_jax import devices
from vfl_jax import hosts
from vfl_jax import tables
from vfl_jax import workdir as workdirs

PyTree = Any


class Journal:
  """The journal of one training, in its workdir.

  Args:
    workdir: of the run.
    layout: where arrays live.
  """

  def __init__(self, workdir: pathlib.Path, layout: devices.Layout):
    self._workdir = workdir
    self._layout = layout
    self._checkpoints = None
    if hosts.leads():
      self._checkpoints = checkpoint.Checkpoints(workdir / "checkpoints")

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
        raise workdirs.Refused(
          f"workdir {self._workdir} cannot be resumed, {error} Have the data "
          "changed? Give another --workdir, or remove it."
        ) from error
      done = found[0] if found else 0
      lines = tables.read_metrics(self._workdir)
      tables.write_metrics(
        self._workdir, [m for m in lines if m["epoch"] < done]
      )
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
      tables.append_metrics(self._workdir, line)
      self._checkpoints.save(line["epoch"] + 1, contents)

  def close(self) -> None:
    """End; the metrics of all epochs become a table."""
    if self._checkpoints is None:
      return
    self._checkpoints.close()
    rows = [
      {"epoch": m["epoch"], "seed": seed, "quantity": quantity, "value": v}
      for m in tables.read_metrics(self._workdir)
      for quantity in m
      if quantity != "epoch"
      for seed, v in enumerate(m[quantity])
    ]
    tables.write(self._workdir, "training", rows)
