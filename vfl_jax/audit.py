"""Audit: every cut of the user's own federation, and which one to take."""

import os
import pathlib
from typing import Any

from vfl_jax import config as configs
from vfl_jax import console
from vfl_jax import lifecycle
from vfl_jax import study
from vfl_jax.questions import audit as answers


def run(
  config: Any, workdir: str | os.PathLike[str], progress: Any = None
) -> pathlib.Path:
  """Every option as an experiment, then a recommendation with its evidence.

  Options are runs of a study: each is a folder of its own, what fails stops no
  other, and running again goes on where it stopped. Beside the report there is
  audit.json, with the same content.

  Args:
    config: from `config.validate`, of kind "audit".
    workdir: created if need be; holds one audit.
    progress: a `console.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written.
  """
  stale = lambda path: study.unsettled(configs.audited(config), path)
  return lifecycle.complete(config, workdir, progress, _work, stale)


def dry_run(config: Any) -> None:
  """Print what the audit would run."""
  planned = configs.audited(config)
  console.say(
    f"{len(planned.cells)} experiments of {config.seeds} seeds; the first is "
    "the reference:"
  )
  for entry in planned.cells:
    console.say(answers.named(**entry["labels"]))


def _work(config, workdir, progress):
  study.work(configs.audited(config), workdir, progress)
  answers.read(workdir)
