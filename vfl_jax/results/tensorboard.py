"""Live curves for TensorBoard, written without TensorFlow.

  python -m vfl_jax.results.tensorboard WORKDIR ...

does the same for finished runs. Needs `pip install tensorboardX`.
"""

import argparse
import os
import pathlib
import sys
from typing import Any

import numpy as np

from vfl_jax.results import log

FOLDER = "tensorboard"


class Board:
  """Writer of the scalars of one run, to WORKDIR/tensorboard.

  Args:
    workdir: folder of the run.

  Raises:
    ValueError: tensorboardX is not installed.
  """

  def __init__(self, workdir: str | os.PathLike[str]):
    try:
      import tensorboardX
    except ImportError as error:
      raise ValueError(
        "TensorBoard files need tensorboardX: pip install -e '.[tensorboard]'."
      ) from error
    self._folder = pathlib.Path(workdir) / FOLDER
    self._open = tensorboardX.SummaryWriter
    self._writer: Any = None

  def epoch(self, line: dict[str, Any]) -> None:
    """Write the metrics of one epoch: of each seed, and their means.

    Args:
      line: for every quantity a list with one number per seed; "epoch" is the
        number of the epoch.
    """
    step = line["epoch"]
    if self._writer is None:  # drops what an interrupted run wrote later
      self._writer = self._open(str(self._folder), purge_step=step)
    for quantity, values in line.items():
      if quantity == "epoch":
        continue
      self._writer.add_scalar(f"{quantity}/mean", np.mean(values), step)
      for seed, value in enumerate(values):
        self._writer.add_scalar(f"{quantity}/seed_{seed}", value, step)
    self._writer.flush()

  def close(self) -> None:
    """Close the file; what was written is on disk."""
    if self._writer is not None:
      self._writer.close()
      self._writer = None


def export(workdir: str | os.PathLike[str]) -> pathlib.Path:
  """Write all of a run's metrics.jsonl for TensorBoard; returns the folder.

  Raises:
    ValueError: there are no metrics, or tensorboardX is not installed.
  """
  lines = [m for m in log.read_metrics(workdir) if "epoch" in m]
  if not lines:
    raise ValueError(f"{workdir} holds no metrics of a training.")
  board = Board(workdir)
  for line in lines:
    board.epoch(line)
  board.close()
  return pathlib.Path(workdir) / FOLDER


def main() -> int:
  """Export the folders; returns the exit code: 0, or 2 without metrics."""
  parser = argparse.ArgumentParser(
    prog="python -m vfl_jax.results.tensorboard", description=__doc__
  )
  parser.add_argument("folders", nargs="+", help="workdirs of experiments")
  try:
    for folder in parser.parse_args().folders:
      print(f"tensorboard --logdir {export(folder)}")
  except (ValueError, OSError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  return 0


if __name__ == "__main__":
  sys.exit(main())
