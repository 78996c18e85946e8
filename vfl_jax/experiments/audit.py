"""Audit: every cut of the user's own federation, and a recommendation."""

import os
import pathlib
from typing import Any

from vfl_jax import attacks
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import study
from vfl_jax.experiments.validation import validate
from vfl_jax.results.answers import audit
from vfl_jax.results import terminal


def run(
  config: Any, workdir: str | os.PathLike[str], progress: Any = None
) -> pathlib.Path:
  """Run every option as an experiment, then recommend one with the evidence.

  Options are runs of a study: each has its own folder, a failure stops no other
  option, and a second call resumes the first. audit.json, beside the report,
  has the same content.

  Args:
    config: config of kind "audit", from `validate.validate`.
    workdir: folder of this audit alone; created if needed.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config, cannot be written, or is in
      use by another process.
    Stopped: the disk is full, or a table cannot be read.
    RuntimeError: all experiments failed.
  """
  stale = lambda path: study.unsettled(validate.audited(config), path)
  return lifecycle.complete(config, workdir, progress, _work, stale)


def dry_run(config: Any) -> None:
  """Print the experiments that the audit would run."""
  planned = validate.audited(config)
  terminal.say(
    f"{len(planned.cells)} experiments of {config.seeds} seeds; the first is "
    "the reference:"
  )
  for entry in planned.cells:
    terminal.say(audit.named(**entry["labels"]))


def _work(config, workdir, progress):
  study.work(validate.audited(config), workdir, progress)
  audit.read(workdir, attacks.ATTACKS)
