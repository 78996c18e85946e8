"""From a config to a finished folder: what every kind of work shares."""

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
import errno
import os
import pathlib
import shutil
import time
from typing import Any

import jax

from vfl_jax.config import identity
from vfl_jax.experiments import progress as experiment_progress
from vfl_jax.results import files
from vfl_jax.results import pages
from vfl_jax.results import status
from vfl_jax.runtime import compilation
from vfl_jax.runtime import hosts

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
    config: from `validate.validate`.
    workdir: created if need be; holds one config's run.
    progress: a `progress.Progress`, or None to be silent.
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
  progress = progress or experiment_progress.Silent()
  if "mesh" in config:
    try:
      hosts.join(config.mesh.hosts)
    except ValueError as error:
      raise Refused(str(error)) from error
  if not hosts.leads():
    if hosts.agreed(False):  # the first one says whether there is work
      prepare(config)
      work(config, pathlib.Path(workdir), progress)
    return pathlib.Path(workdir) / "report.html"
  with contextlib.ExitStack() as stack:
    fresh = False
    try:
      workdir = claim(config, workdir)
      if not stack.enter_context(status.hold(workdir)):
        raise Refused(
          f"another process is at work in workdir {workdir}; wait until it "
          "ends, or give another --workdir."
        )
      fresh = not status.finished(workdir) or stale(workdir)
    finally:
      hosts.agreed(fresh)
    if fresh:
      return _complete(config, workdir, progress, work)
    progress.say("This was finished before: nothing is run again.")
    return workdir / "report.html"


def _complete(config, workdir, progress, work):
  prepare(config)
  before = status.status(workdir)
  compiled = compilation.ledger()
  started = time.monotonic()
  try:
    status.set_status(workdir, "running", digest=identity.digest(config))
    work(config, workdir, progress)
    progress.phase("report", 1)
    spent = _compiled(workdir, before, compilation.ledger().since(compiled))
    status.set_status(
      workdir,
      "running",
      seconds=round(before.get("seconds", 0) + time.monotonic() - started, 1),
      ledger=list(spent),
      compiled=str(spent),
      backend=jax.default_backend(),
      devices=str(jax.devices()[0].device_kind),
      cores=os.cpu_count(),
    )
    path = pages.write(workdir)
    status.set_status(workdir, "done")
    progress.finish()
    return path
  except Exception as error:
    stopped = _in_a_sentence(error, workdir)
    with contextlib.suppress(OSError):  # a full disk takes no word either
      status.set_status(
        workdir,
        "diverged" if isinstance(error, Diverged) else "failed",
        reason=str(stopped or f"{type(error).__name__}: {error}"),
      )
    if stopped is None or stopped is error:
      raise
    raise stopped from error


def prepare(config: Any) -> None:
  """Set this process up: its cache of programs, and the precision asked for."""
  compilation.use_cache()
  compilation.make_room()
  if "precision" in config:  # a study has none of its own
    jax.config.update("jax_default_matmul_precision", config.precision)


def _compiled(workdir, before, now):
  """What was compiled for it in all; of a study that is what its cells were."""
  folders = [path.parent for path in workdir.glob("runs/*/status.json")]
  if folders:
    entries = [status.status(f).get("ledger") for f in folders]
  else:
    entries = [before.get("ledger"), now]
  total = compilation.Ledger()
  for entry in entries:
    total = total.plus(compilation.Ledger(*(entry or ())))
  return total._replace(seconds=round(total.seconds, 1))


def _in_a_sentence(error, workdir) -> Stopped | None:
  """What happened, where the reader can do something about it."""
  if isinstance(error, Stopped):
    return error
  if isinstance(error, files.Damaged):
    return Stopped(str(error))
  # libraries raise many things when they cannot write
  full = isinstance(error, OSError) and error.errno == errno.ENOSPC
  if full or shutil.disk_usage(workdir).free < _ROOM:
    return Stopped(
      f"the disk of workdir {workdir} is full; make room and run the same "
      "command again: what was done is kept."
    )
  return None


class Refused(ValueError):
  """The folder or the data are not as the config says: one sentence."""


def claim(
  config: Mapping[str, Any], workdir: str | os.PathLike[str]
) -> pathlib.Path:
  """Create the folder or check that it belongs to this config.

  Raises:
    Refused: it belongs to another config, or cannot be written.
  """
  workdir = pathlib.Path(workdir)
  text = identity.as_json(config)
  path = workdir / "config.json"
  try:
    if path.is_file():
      try:
        before = identity.from_json(path.read_text("utf-8"))
      except ValueError as error:
        raise Refused(
          f"workdir {workdir} is damaged: its config.json cannot be read "
          f"({error}); give another --workdir, or remove it."
        ) from error
      odd = _difference(before.to_dict(), identity.from_json(text).to_dict())
      if odd:
        raise Refused(
          f"workdir {workdir} belongs to another config ({odd}); give "
          "another --workdir, or remove it."
        )
    files.write_text(path, text)
  except OSError as error:
    raise Refused(
      f"workdir {workdir} cannot be written ({error.strerror}); give another"
      " --workdir."
    ) from error
  return workdir


def _difference(before, after, prefix="") -> str:
  """The first key whose value differs, in words."""
  for key in sorted({**before, **after}):
    a, b = before.get(key), after.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
      nested = _difference(a, b, f"{prefix}{key}.")
      if nested:
        return nested
    elif a != b:
      return f"{prefix}{key} was {a!r}, is {b!r}"
  return ""
