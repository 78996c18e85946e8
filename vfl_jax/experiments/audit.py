"""Audit: every cut of the user's own federation, and which one to take."""

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
  """Every option as an experiment, then a recommendation with its evidence.

  Options are runs of a study: each is a folder of its own, what fails stops no
  other, and running again goes on where it stopped. Beside the report there is
  audit.json, with the same content.

  Args:
    config: from `validate.validate`, of kind "audit".
    workdir: created if need be; holds one audit.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written.
  """
  stale = lambda path: study.unsettled(validate.audited(config), path)
  return lifecycle.complete(config, workdir, progress, _work, stale)


def dry_run(config: Any) -> None:
  """Print what the audit would run."""
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
