"""From a config to a finished folder: what every kind of work shares."""

from collections.abc import Callable
import os
import pathlib
import time
from typing import Any

import jax

from vfl_jax import config as configs
from vfl_jax import console
from vfl_jax import programs
from vfl_jax import report
from vfl_jax import tables
from vfl_jax import workdir as workdirs


class Diverged(RuntimeError):
  """A loss turned non-finite; what was done before is intact."""


def complete(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any,
  work: Callable[[Any, pathlib.Path, Any], None],
) -> pathlib.Path:
  """Do the work of a config and report on it, unless both are there.

  Args:
    config: from `config.validate`.
    workdir: created if need be; holds one config's run.
    progress: a `console.Progress`, or None to be silent.
    work: `work(config, workdir, progress)` writes tables, and does not repeat
      what it finds there.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config, cannot be written, or
      another process is at work in it.
    Exception: what the work raises, after status.json has its reason.
  """
  workdir = workdirs.claim(config, workdir)
  with tables.hold(workdir) as free:
    if not free:
      raise workdirs.Refused(
        f"another process is at work in workdir {workdir}; wait until it ends, "
        "or give another --workdir."
      )
    return _complete(config, workdir, progress or console.Silent(), work)


def _complete(config, workdir, progress, work):
  if tables.finished(workdir):
    progress.say("This was finished before: nothing is run again.")
    return workdir / "report.html"
  programs.use_cache()
  programs.make_room()
  if "precision" in config:  # a study has none of its own
    jax.config.update("jax_default_matmul_precision", config.precision)
  before = tables.status(workdir).get("seconds", 0)
  started = time.monotonic()
  tables.set_status(workdir, "running", digest=configs.digest(config))
  try:
    work(config, workdir, progress)
    progress.phase("report", 1)
    tables.set_status(
      workdir,
      "running",
      seconds=round(before + time.monotonic() - started, 1),
      backend=jax.default_backend(),
      devices=str(jax.devices()[0].device_kind),
      cores=os.cpu_count(),
    )
    path = report.write(workdir)
    tables.set_status(workdir, "done")
    progress.finish()
    return path
  except Exception as error:
    diverged = isinstance(error, Diverged)
    tables.set_status(
      workdir,
      "diverged" if diverged else "failed",
      reason=str(error) if diverged else f"{type(error).__name__}: {error}",
    )
    raise
