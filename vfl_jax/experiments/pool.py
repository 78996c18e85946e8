"""Experiments in processes of their own, some at a time.

Studies and the local launcher share this pool. Its processes are used again:
importing jax, and the programs compiled for one experiment, serve the next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
import collections
import contextlib
import multiprocessing
from multiprocessing import connection
import os
import pathlib
import signal
import sys
import threading
import traceback
from typing import Any, NamedTuple

import threadpoolctl

_PATIENCE = 2.0  # seconds a process has to end after it was interrupted
_LOOK = 0.25  # seconds between two calls of `watch`


class Task(NamedTuple):
  """One experiment, audit, study or calibration.

  Attributes:
    config: its config as JSON, as asked for: not yet validated.
    folder: its workdir.
    log: file that what it prints is appended to; None leaves its output as
      this process's and prints no progress.
    work: module of `experiments` that carries it out; "" is the one of its
      kind.
  """

  config: str
  folder: pathlib.Path
  log: pathlib.Path | None = None
  work: str = ""


class Worker:
  """A process that carries out tasks, one after another.

  It ends when this process does, however that ends.

  Args:
    cores: numbers of the cores it may use; all of this process's by default.
  """

  def __init__(self, cores: Sequence[int] = ()):
    context = multiprocessing.get_context("spawn")
    self.pipe, theirs = context.Pipe()
    self.task: Task | None = None
    self._process = context.Process(target=_serve, args=(theirs, tuple(cores)))
    with _uninterrupted():
      self._process.start()
    theirs.close()

  def begin(self, task: Task) -> None:
    """Start a task; the one before must have been answered."""
    self.task = task
    with contextlib.suppress(BrokenPipeError):  # it died: `answer` says so
      self.pipe.send(task)

  def answer(self) -> tuple[str, bool]:
    """Wait for the task to end.

    Returns:
      Why it failed, "" where it did not, and whether the process died of it.
    """
    self.task = None
    try:
      return self.pipe.recv(), False
    except (EOFError, ConnectionResetError):
      self._process.join()
      code = self._process.exitcode or 0
      how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
      return f"its process died ({how}); is there memory enough?", True

  def interrupt(self) -> None:
    """Ask it to end."""
    if self._process.is_alive():
      with contextlib.suppress(ProcessLookupError):
        os.kill(self._process.pid or 0, signal.SIGINT)

  def end(self) -> None:
    """Wait until it has ended, and kill it if it takes too long."""
    self.pipe.close()
    self._process.join(_PATIENCE)
    if self._process.is_alive():
      self._process.kill()
      self._process.join()


def run(
  tasks: Iterable[Task],
  workers: int,
  done: Callable[[Task, str], None],
  watch: Callable[[], Any] = lambda: None,
) -> None:
  """Carry out tasks; one that fails stops no other.

  A task whose process dies is tried once more after the others, alone, with
  all cores: two that need much memory may kill each other.

  Args:
    tasks: what is to be done.
    workers: number of processes at a time, which share the cores evenly; 0
      does everything in this process.
    done: called with each task and why it failed, "" where it did not.
    watch: called several times a second while processes work.
  """
  if not workers:
    for task in tasks:
      done(task, carry_out(task))
    return
  died: dict[Task, str] = {}

  def first(task, reason, dead):
    if dead:
      died[task] = reason
    else:
      done(task, reason)

  _together(tasks, workers, first, watch)
  _together(list(died), 1, lambda task, reason, _: done(task, reason), watch)


def _together(tasks, workers, done, watch) -> None:
  """One round; `done` is called with whether the process died as well."""
  queue = collections.deque(tasks)
  workers = min(workers, len(queue))
  shares = [cores()[k::workers] for k in range(workers)]
  crew: list[Worker] = []
  try:
    for share in shares:
      crew.append(Worker(share))
      crew[-1].begin(queue.popleft())
    while busy := [k for k, worker in enumerate(crew) if worker.task]:
      ready = connection.wait([crew[k].pipe for k in busy], _LOOK)
      for k in busy:
        task = crew[k].task
        if crew[k].pipe not in ready:
          continue
        reason, dead = crew[k].answer()
        if queue:
          if dead:
            crew[k].end()
            crew[k] = Worker(shares[k])
          crew[k].begin(queue.popleft())
        done(task, reason, dead)
      watch()
  finally:
    for worker in crew:
      worker.interrupt()
    for worker in crew:
      worker.end()


def room() -> int:
  """Number of experiments that fit this machine: on CPU one for each core."""
  import jax

  if jax.default_backend() != "cpu":
    return 1  # an accelerator's memory is not shared
  return len(cores())


def carry_out(task: Task) -> str:
  """Carry out a task in this process; why it failed, "" where it did not."""
  with _logged(task.log):
    try:
      _dispatch(task)
    except Exception as error:
      if task.log:
        _print(error)
      return f"{type(error).__name__}: {error}"
  return ""


def _dispatch(task: Task) -> None:
  # here, since the launcher imports this module and never needs jax
  from vfl_jax.config import identity
  from vfl_jax.experiments import dispatch
  from vfl_jax.experiments import progress
  from vfl_jax.experiments.validation import validate
  from vfl_jax.results import terminal

  config = validate.validate(identity.from_json(task.config))
  with progress.Progress() if task.log else progress.Silent() as shown:
    dispatch.work(config, task.work).run(config, task.folder, shown)
  if task.log:
    terminal.summary(task.folder)


def _print(error: Exception) -> None:
  """Into the log: one sentence where that is enough, else the traceback."""
  from vfl_jax.experiments import lifecycle

  if isinstance(error, ValueError | FileNotFoundError | lifecycle.Stopped):
    print(f"error: {error}", file=sys.stderr)
  else:
    traceback.print_exception(error)


@contextlib.contextmanager
def _logged(path: pathlib.Path | None) -> Iterator[None]:
  """Append what this process prints, libraries in C included, to a file."""
  if path is None:
    yield
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  with path.open("ab") as log:
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
      stream.flush()
      os.dup2(log.fileno(), number)
  try:
    yield
  finally:
    sys.stdout.flush()
    sys.stderr.flush()


def _serve(pipe: Any, cores: tuple[int, ...]) -> None:
  """What a worker's process does: tasks from the pipe, answers into it."""
  threading.Thread(target=_follow, daemon=True).start()
  try:
    if hasattr(os, "setpgrp"):
      os.setpgrp()  # Ctrl-C is for the parent, which passes it on
    if hasattr(signal, "pthread_sigmask"):
      signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _keep_to(cores)
    while True:
      pipe.send(carry_out(pipe.recv()))
  except (EOFError, BrokenPipeError):
    pass
  except KeyboardInterrupt:
    sys.exit(130)


def _follow() -> None:
  """End this process when the one that started it ends or is killed."""
  parent = multiprocessing.parent_process()
  if parent is not None:
    parent.join()
    os._exit(1)


def _keep_to(cores: Sequence[int]) -> None:
  """Use these cores only; called before jax counts them."""
  if cores and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, cores)
    # numpy has its threads already, and more of them than cores would wait for
    # each other in a busy loop: two workers on two cores took up to five times
    # as long
    threadpoolctl.threadpool_limits(len(cores))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
  """A process started here holds SIGINT back until it is ready for it."""
  if not hasattr(signal, "pthread_sigmask"):
    yield
    return
  from multiprocessing import resource_tracker

  resource_tracker.ensure_running()  # starting it would change the mask
  before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> list[int]:
  """Numbers of the cores that this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))
