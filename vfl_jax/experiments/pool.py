"""Experiments in processes of their own, some at a time."""

from collections.abc import Callable, Iterable
from concurrent import futures
import multiprocessing
import os
import pathlib
import threading
from typing import Any

import threadpoolctl

from vfl_jax.results import status

Task = tuple[str, pathlib.Path]


def run(
  tasks: Iterable[Task],
  workers: int,
  done: Callable[[pathlib.Path, str], None],
) -> None:
  """Run experiments; one that fails, or whose process dies, stops no other.

  Args:
    tasks: an experiment's config as JSON, and its folder.
    workers: processes at a time, which share the cores evenly; 1 is this
      process itself.
    done: called with each folder and why it failed, "" where it did not.
  """
  left = {folder: text for text, folder in tasks}
  if workers < 2:
    for folder, text in left.items():
      done(folder, _experiment(text, str(folder)))
    return
  while left:
    if not _together(left, workers, done):
      return
    # whose process died is not said: each that had begun shows it alone
    begun = [f for f in left if status.status(f).get("state") == "running"]
    for folder in begun or list(left):
      death = _together({folder: left.pop(folder)}, 1, done)
      if death:
        done(folder, f"its process died: {death}")


def _together(left: dict[pathlib.Path, str], workers: int, done: Any) -> str:
  """Run what is left, and take it away when it ends; how a process died."""
  context = multiprocessing.get_context("spawn")
  turns = context.Value("i", 0)
  death = ""
  with futures.ProcessPoolExecutor(
    workers, context, _begin, (turns, workers)
  ) as pool:
    asked = {
      pool.submit(_experiment, text, str(folder)): folder
      for folder, text in left.items()
    }
    try:
      for future in futures.as_completed(asked):
        try:
          reason = future.result()
        except futures.BrokenExecutor as error:
          death = str(error)
          continue
        del left[asked[future]]
        done(asked[future], reason)
    except BaseException:  # Ctrl-C: what has not begun is not begun
      pool.shutdown(wait=False, cancel_futures=True)
      raise
  return death


def room() -> int:
  """Experiments that this machine has room for: on a CPU one per core."""
  import jax

  from vfl_jax.runtime import threads

  if jax.default_backend() != "cpu":
    return 1  # an accelerator's memory is not shared
  return threads.cores()


def _begin(turns: Any, workers: int) -> None:
  """Take this worker's share of the cores, before jax counts them."""
  threading.Thread(target=_follow, daemon=True).start()
  with turns.get_lock():
    turn, turns.value = turns.value, turns.value + 1
  if not hasattr(os, "sched_setaffinity"):
    return
  cores = sorted(os.sched_getaffinity(0))
  own = cores[turn % workers :: workers]
  if own:
    os.sched_setaffinity(0, own)
    # numpy is there already, and its threads would turn in circles waiting for
    # each other: of two workers on two cores each took up to five times as long
    threadpoolctl.threadpool_limits(len(own))


def _follow() -> None:
  """End this worker when the process that started it ends or is killed."""
  parent = multiprocessing.parent_process()
  if parent is not None:
    parent.join()
    os._exit(1)


def _experiment(text: str, folder: str) -> str:
  """Run one experiment; why it failed, or an empty text."""
  from vfl_jax.config import identity
  from vfl_jax.experiments.validation import validate
  from vfl_jax.experiments import experiment

  try:
    config = validate.validate(identity.from_json(text))
    experiment.run(config, folder)
  except Exception as error:
    return f"{type(error).__name__}: {error}"
  return ""
