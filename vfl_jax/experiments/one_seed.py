"""One seed of an experiment whose seeds have data splits of their own."""

import os
import pathlib
from typing import Any

from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.results import files

_PAGE = """<!doctype html><meta charset="utf-8"><title>one seed</title>
<p>One seed of a run; <a href="../../report.html">its report</a> is of all.</p>
"""


def run(
  config: Any, workdir: str | os.PathLike[str], progress: Any = None
) -> pathlib.Path:
  """Train and measure; the report is written for all seeds together.

  Args:
    config: of one seed, from `resplit.seeds`.
    workdir: `WORKDIR/seeds/K` of the experiment.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The path of a page that points to the report.

  Raises:
    Refused, Diverged: see `experiment.run`.
  """
  return lifecycle.complete(
    config, workdir, progress, experiment.work, page=_page
  )


def _page(workdir: pathlib.Path) -> pathlib.Path:
  path = workdir / "report.html"
  files.write_text(path, _PAGE)
  return path
