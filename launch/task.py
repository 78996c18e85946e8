"""A run inside a job: the job's process starts the run's process and waits."""

import pathlib
from typing import Any

from launch import local
from launch import runs
from vfl_jax.experiments import pool

_LOOK = 0.2  # seconds between two looks at the run's process


class Task:
  """A run that an engine sends to another machine; it holds paths only."""

  def __init__(self):
    self._worker: pool.Worker | None = None

  def __call__(self, plain: list[str]) -> str:
    """Carries out the run.

    Args:
      plain: name, folder, spec and log of a `runs.Run`.

    Returns:
      Its state.

    Raises:
      RuntimeError: the run failed; the message has the reason.
    """
    name, *paths = plain
    run = runs.Run(name, {}, *map(pathlib.Path, paths))
    self._worker = worker = pool.Worker()
    worker.begin(local.task(run))
    while not worker.pipe.poll(_LOOK):  # signals are handled in between
      pass
    reason, died = worker.answer()
    worker.end()
    # a killed process may have been preempted, so its run can be resumed
    state = runs.ended(run, "" if died else reason)
    if reason:
      raise RuntimeError(f"run {name} {state}: {reason}")
    return state

  def checkpoint(self, plain: list[str]) -> Any:
    """Ends a preempted run, which has its own checkpoints, and requeues it."""
    import submitit

    if self._worker is not None:
      self._worker.interrupt()
      self._worker.end()
    return submitit.helpers.DelayedSubmission(Task(), plain)

  def __getstate__(self):
    return {"_worker": None}
