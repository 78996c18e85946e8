"""A run inside a job: the engine's process starts the run's and waits."""

import pathlib
import signal
import subprocess
import time
from typing import Any

from launch import local
from launch import runs

_LOOK = 0.2  # seconds


class Task:
  """What engines carry to another machine; paths only."""

  def __init__(self):
    self._process: subprocess.Popen | None = None

  def __call__(self, plain: list[str]) -> str:
    """Run it to its end.

    Args:
      plain: name, folder, spec and log of a `runs.Run`.

    Returns:
      Its state.

    Raises:
      RuntimeError: it failed; says why.
    """
    name, *paths = plain
    run = runs.Run(name, {}, *map(pathlib.Path, paths))
    self._process = local.start(run)
    # not wait(): it holds a lock that checkpoint(), called in the midst of it
    # by a signal, would wait for in vain
    while (code := self._process.poll()) is None:
      time.sleep(_LOOK)
    found = runs.ended(run, code)
    if code:
      said = "\n".join(runs.last_lines(run))
      raise RuntimeError(f"run {name} ended with {code}:\n{said}")
    return found

  def checkpoint(self, plain: list[str]) -> Any:
    """Preempted: end the run, which has its own checkpoints, and come again."""
    import submitit

    if self._process is not None:
      self._process.send_signal(signal.SIGINT)
      local._end(self._process)
    return submitit.helpers.DelayedSubmission(Task(), plain)

  def __getstate__(self):
    return {"_process": None}
