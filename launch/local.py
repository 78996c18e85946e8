"""Runs on this machine, some at a time, in the pool of processes of studies."""

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
  """Carry out all of them; returns when the last has ended.

  Each process has its share of the cores. A run that fails stops no other.
  Interrupted, all runs are interrupted, and the same command resumes them.

  Args:
    runs: what is left to do.
    workers: number of processes at a time; 0 is one for each core.
    options: none here.
    watch: called several times a second.

  Raises:
    ValueError: an option.
  """
  if options:
    raise ValueError(f"the local backend takes no options, not {options}.")
  by_folder = {run.folder: run for run in runs}
  pool.run(
    [task(run) for run in runs],
    workers or len(pool.cores()),
    lambda task, reason: launched.ended(by_folder[task.folder], reason),
    watch,
  )


def task(run: launched.Run) -> pool.Task:
  """A run as the pool takes it."""
  return pool.Task(run.spec.read_text("utf-8"), run.folder, run.log)
