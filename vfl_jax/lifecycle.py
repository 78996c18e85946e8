"""From a config to a finished folder: what every kind of work shares."""

from collections.abc import Callable
import contextlib
import os
import pathlib
import shutil
import time
from typing import Any

import jax

from vfl_jax import config as configs
from vfl_jax import console
from vfl_jax import hosts
from vfl_jax import programs
from vfl_jax import report
from vfl_jax import tables
from vfl_jax import workdir as workdirs


_ROOM = 1 << 20  # bytes: with less a disk is full


class Stopped(RuntimeError):
  """A run ended before its end, in one sentence; what was done is intact."""


class Diverged(Stopped):
  """A loss turned non-finite."""


def complete(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any,
  work: Callable[[Any, pathlib.Path, Any], None],
  stale: Callable[[pathlib.Path], bool] = lambda workdir: False,
) -> pathlib.Path:
  """Do the work of a config and report on it, unless both are there.

  Args:
    config: from `config.validate`.
    workdir: created if need be; holds one config's run.
    progress: a `console.Progress`, or None to be silent.
    work: `work(config, workdir, progress)` writes tables, and does not repeat
      what it finds there.
    stale: `stale(workdir)`, whether what was finished before is to be done
      again.

  Returns:
    The path of the report; on other hosts than the first, where that writes it.

  Raises:
    Refused: the other hosts are not there, or the workdir belongs to another
      config, cannot be written, or another process is at work in it.
    Stopped: the training diverged, the disk is full, or a table that was
      written before cannot be read.
    Exception: what else the work raises, after status.json has its reason.
  """
  progress = progress or console.Silent()
  if "mesh" in config:
    try:
      hosts.join(config.mesh.hosts)
    except ValueError as error:
      raise workdirs.Refused(str(error)) from error
  if not hosts.leads():
    if hosts.agreed(False):  # the first one says whether there is work
      prepare(config)
      work(config, pathlib.Path(workdir), progress)
    return pathlib.Path(workdir) / "report.html"
  with contextlib.ExitStack() as stack:
    fresh = False
    try:
      workdir = workdirs.claim(config, workdir)
      if not stack.enter_context(tables.hold(workdir)):
        raise workdirs.Refused(
          f"another process is at work in workdir {workdir}; wait until it "
          "ends, or give another --workdir."
        )
      fresh = not tables.finished(workdir) or stale(workdir)
    finally:
      hosts.agreed(fresh)
    if fresh:
      return _complete(config, workdir, progress, work)
    progress.say("This was finished before: nothing is run again.")
    return workdir / "report.html"


def _complete(config, workdir, progress, work):
  prepare(config)
  before = tables.status(workdir)
  compiled = programs.ledger()
  started = time.monotonic()
  try:
    tables.set_status(workdir, "running", digest=configs.digest(config))
    work(config, workdir, progress)
    progress.phase("report", 1)
    spent = _compiled(workdir, before, programs.ledger().since(compiled))
    tables.set_status(
      workdir,
      "running",
      seconds=round(before.get("seconds", 0) + time.monotonic() - started, 1),
      ledger=list(spent),
      compiled=str(spent),
      backend=jax.default_backend(),
      devices=str(jax.devices()[0].device_kind),
      cores=os.cpu_count(),
    )
    path = report.write(workdir)
    tables.set_status(workdir, "done")
    progress.finish()
    return path
  except Exception as error:
    stopped = _in_a_sentence(error, workdir)
    with contextlib.suppress(OSError):  # a full disk takes no word either
      tables.set_status(
        workdir,
        "diverged" if isinstance(error, Diverged) else "failed",
        reason=str(stopped or f"{type(error).__name__}: {error}"),
      )
    if stopped is None or stopped is error:
      raise
    raise stopped from error


def prepare(config: Any) -> None:
  """Set this process up: its cache of programs, and the precision asked for."""
  programs.use_cache()
  programs.make_room()
  if "precision" in config:  # a study has none of its own
    jax.config.update("jax_default_matmul_precision", config.precision)


def _compiled(workdir, before, now):
  """What was compiled for it in all; of a study that is what its cells were."""
  folders = [path.parent for path in workdir.glob("runs/*/status.json")]
  if folders:
    entries = [tables.status(f).get("ledger") for f in folders]
  else:
    entries = [before.get("ledger"), now]
  total = programs.Ledger()
  for entry in entries:
    total = total.plus(programs.Ledger(*(entry or ())))
  return total._replace(seconds=round(total.seconds, 1))


def _in_a_sentence(error, workdir) -> Stopped | None:
  """What happened, where the reader can do something about it."""
  if isinstance(error, Stopped):
    return error
  if isinstance(error, tables.Damaged):
    return Stopped(str(error))
  # libraries raise many things when they cannot write
  if shutil.disk_usage(workdir).free < _ROOM:
    return Stopped(
      f"the disk of workdir {workdir} is full; make room and run the same "
      "command again: what was done is kept."
    )
  return None
