"""From a config to a finished folder: what all kinds of runs share."""

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
from vfl_jax import data
from vfl_jax.experiments import progress as experiment_progress
from vfl_jax.results import files
from vfl_jax.results import pages
from vfl_jax.results import status
from vfl_jax.runtime import compilation
from vfl_jax.runtime import hosts

_ROOM = 1 << 20  # bytes; a disk with less free space counts as full


class Stopped(RuntimeError):
  """A run stopped early, for a reason in one sentence; its files are intact."""


class Diverged(Stopped):
  """A loss or a weight became non-finite."""


def complete(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any,
  work: Callable[[Any, pathlib.Path, Any], None],
  stale: Callable[[pathlib.Path], bool] = lambda workdir: False,
  page: Callable[[pathlib.Path], pathlib.Path] | None = None,
) -> pathlib.Path:
  """Do the work of a config and write its report, unless both are done.

  Args:
    config: a config from `validate.validate`.
    workdir: folder of this run alone; created if needed.
    progress: a `progress.Progress`; None to be silent.
    work: `work(config, workdir, progress)`, which writes tables and does not
      repeat what they already hold.
    stale: `stale(workdir)`, whether a finished run is to be redone.
    page: `page(workdir)`, which writes the report and returns its path; by
      default `pages.write`.

  Returns:
    The path of the report. Hosts other than the first return the path at which
    the first host writes it.

  Raises:
    Refused: other hosts cannot be reached, or the workdir belongs to another
      config, cannot be written, or is in use by another process.
    Stopped: the training diverged, the disk is full, or an existing table
      cannot be read.
    Exception: any other error of the work; status.json records its reason.
  """
  progress = progress or experiment_progress.Silent()
  if "mesh" in config:
    try:
      hosts.join(config.mesh.hosts)
    except ValueError as error:
      raise Refused(str(error)) from error
  if not hosts.leads():
    if hosts.agreed(False):  # the first host decides whether there is work
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
      return _complete(config, workdir, progress, work, page)
    progress.say("This run was finished before; nothing is run again.")
    return workdir / "report.html"


def _complete(config, workdir, progress, work, page):
  prepare(config)
  before = status.status(workdir)
  compiled = compilation.ledger()
  started = time.monotonic()
  try:
    status.set_status(
      workdir,
      "running",
      digest=identity.digest(config),
      data=_data_digest(config),
    )
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
    path = (page or pages.write)(workdir)
    status.set_status(workdir, "done")
    progress.finish()
    return path
  except Exception as error:
    stopped = _in_a_sentence(error, workdir)
    with contextlib.suppress(OSError):  # the disk may be full
      status.set_status(
        workdir,
        "diverged" if isinstance(error, Diverged) else "failed",
        reason=str(stopped or f"{type(error).__name__}: {error}"),
      )
    if stopped is None or stopped is error:
      raise
    raise stopped from error


def _data_digest(config) -> str:
  return data.digest(config["data"]) if "data" in config else ""


def prepare(config: Any) -> None:
  """Set up this process: cache of compiled programs, and precision."""
  compilation.use_cache()
  compilation.make_room()
  if "precision" in config:  # a study has no precision
    jax.config.update("jax_default_matmul_precision", config.precision)


def _compiled(workdir, before, now):
  """The ledger of all compilations of a run, of its cells or seeds if any."""
  folders = [
    path.parent
    for where in ("runs", "seeds")
    for path in workdir.glob(f"{where}/*/status.json")
  ]
  if folders:
    entries = [status.status(f).get("ledger") for f in folders]
  else:
    entries = [before.get("ledger"), now]
  total = compilation.Ledger()
  for entry in entries:
    total = total.plus(compilation.Ledger(*(entry or ())))
  return total._replace(seconds=round(total.seconds, 1))


def _in_a_sentence(error, workdir) -> Stopped | None:
  """The error as `Stopped`, if the user can act on it; else None."""
  if isinstance(error, Stopped):
    return error
  if isinstance(error, files.Damaged):
    return Stopped(str(error))
  # libraries raise many kinds of errors if they cannot write
  full = isinstance(error, OSError) and error.errno == errno.ENOSPC
  if full or shutil.disk_usage(workdir).free < _ROOM:
    return Stopped(
      f"the disk of workdir {workdir} is full; make room and run the same "
      "command again: what was done is kept."
    )
  return None


class Refused(ValueError):
  """The folder or the data do not match the config, in one sentence."""


def claim(
  config: Mapping[str, Any], workdir: str | os.PathLike[str]
) -> pathlib.Path:
  """Create the folder of a run, or check that it belongs to this config.

  Returns:
    The path of the folder, which has a config.json.

  Raises:
    Refused: the folder belongs to another config or to other data, is damaged,
      or cannot be written.
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
      earlier, now = status.status(workdir).get("data"), _data_digest(config)
      if earlier and now and earlier != now:
        raise Refused(
          f"the data of workdir {workdir} have changed since it was begun "
          f"(digest {earlier}, now {now}); give another --workdir, or remove "
          "it."
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
