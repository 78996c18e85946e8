"""Runs on this machine: a process each, some at a time."""

from collections.abc import Callable, Sequence
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any

from launch import runs as launched

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def submit(
  runs: Sequence[launched.Run],
  workers: int,
  options: dict[str, str],
  watch: Callable[[], Any],
) -> None:
  """Run all of them; returns when the last has ended.

  Each worker has its share of the cores and keeps it. A run that fails stops
  no other. Interrupted, all runs are, and can be resumed.

  Args:
    runs: what is left to do.
    workers: processes at a time; 0 is one for every core.
    options: none here.
    watch: called twice a second.

  Raises:
    ValueError: an option.
  """
  if options:
    raise ValueError(f"the local backend takes no options, not {options}.")
  cores = _cores()
  workers = min(workers or len(cores), len(runs))
  free = {k: cores[k % len(cores) :: workers] for k in range(workers)}
  queue, running = list(runs), {}
  try:
    while queue or running:
      while queue and free:
        place, own = free.popitem()
        run = queue.pop(0)
        running[start(run, own)] = run, place, own
      time.sleep(0.05)
      for process in [p for p in running if p.poll() is not None]:
        run, place, own = running.pop(process)
        launched.ended(run, process.returncode)
        free[place] = own
      watch()
  except BaseException:
    for process in running:
      with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    for process in running:
      _end(process)
    raise


def start(run: launched.Run, cores: Sequence[int] = ()) -> subprocess.Popen:
  """A run's process; it ends when the one that asked for it does."""
  run.log.parent.mkdir(parents=True, exist_ok=True)
  with run.log.open("ab") as log:
    process = subprocess.Popen(
      run.command,
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      preexec_fn=_follow if sys.platform == "linux" else None,
    )
  if cores and hasattr(os, "sched_setaffinity"):
    with contextlib.suppress(ProcessLookupError):  # it has ended already
      os.sched_setaffinity(process.pid, cores)  # before jax counts them
  return process


def _follow():
  """Die with the parent, even if that is killed (Linux)."""
  ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
  os.setpgrp()  # Ctrl-C is for the launcher, which passes it on


def _end(process, patience: float = 10.0):
  try:
    process.wait(patience)
  except subprocess.TimeoutExpired:
    process.kill()
    process.wait()


def _cores() -> list[int]:
  if hasattr(os, "sched_getaffinity"):
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))
