"""Runs a sweep on this machine, in the process pool that studies use."""

from collections.abc import Callable, Sequence
from typing import Any

from launch import runs as launched
from vfl_jax.experiments import pool


def submit(
  runs: Sequence[launched.Run],
  workers: int,
  options: dict[str, str],
  watch: Callable[[], Any],
) -> None:
  """Carries out all runs; returns when the last has ended.

  The processes share the cores equally. A run that fails does not stop the
  others. An interrupt stops all runs, and the same command resumes them.

  Args:
    runs: the remaining runs.
    workers: number of processes at a time; 0 is one per core.
    options: must be empty.
    watch: function called several times a second.

  Raises:
    ValueError: an option is given.
  """
  if options:
    raise ValueError(
      f"the local backend takes no options, but got {options}; remove --option."
    )
  by_folder = {run.folder: run for run in runs}
  pool.run(
    [task(run) for run in runs],
    workers or len(pool.cores()),
    lambda task, reason: launched.ended(by_folder[task.folder], reason),
    watch,
  )


def task(run: launched.Run) -> pool.Task:
  """The pool's task of a run."""
  return pool.Task(run.spec.read_text("utf-8"), run.folder, run.log)
