"""Calibration: every estimator against problems of known I(T;Y).

It shows over sample sizes, dimensions, classes, levels and shapes which
estimators can be trusted; how plausible a curve looks does not.
"""

import functools
import itertools
import os
import pathlib
import time
from typing import Any

import pandas as pd

from vfl_jax.config import entries
from vfl_jax.experiments import lifecycle
from vfl_jax.information import estimate
from vfl_jax.information import problems as information_problems
from vfl_jax.results.answers import calibration
from vfl_jax.results import log
from vfl_jax.results import tables
from vfl_jax.results import terminal
from vfl_jax.runtime import compilation
from vfl_jax.runtime import rng


def run(
  config: Any, workdir: str | os.PathLike[str], progress: Any = None
) -> pathlib.Path:
  """Measure every estimator on every problem of the grid, then report.

  Each measurement is written at once, and is not repeated by a second call.

  Args:
    config: config of kind "calibration", from `validate.validate`.
    workdir: folder of this run alone; created if needed.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config, cannot be written, or is in
      use by another process.
    Stopped: the disk is full.
  """
  return lifecycle.complete(config, workdir, progress, _work)


def dry_run(config: Any) -> None:
  """Print the number of problems and estimates of the grid."""
  problems, estimators = len(cells(config)), len(config.estimators)
  terminal.say(
    f"{problems} problems, {estimators} estimators: "
    f"{problems * estimators} estimates, each with {config.fit.folds} folds "
    f"and a floor; {config.fit.steps} steps per fit."
  )


def cells(config: Any) -> list[dict[str, Any]]:
  """The problems of a grid; those that share a compiled program are adjacent.

  Args:
    config: config of kind "calibration".

  Returns:
    For each problem the values of `calibration.CELL`, by name.
  """
  grid = config.grid
  return [
    dict(
      zip(calibration.CELL, (shape, n, d, classes, level, config.seed + seed))
    )
    for n, d, classes in itertools.product(
      grid.samples, grid.dimensions, grid.classes
    )
    for shape, level, seed in itertools.product(
      grid.shapes, grid.levels, range(config.seeds)
    )
  ]


def measure(
  cell: dict[str, Any], config: Any, name: str, options: dict[str, Any]
) -> dict[str, Any]:
  """Estimate I(T;Y) of one problem.

  Args:
    cell: a problem, as `cells` gives it.
    config: config of kind "calibration".
    name: name of the estimator.
    options: options of the estimator; they override those of `config.fit`.

  Returns:
    The estimate, its interval and its floor beside the truth, in nats; the
    estimate on the fitted rows, the ceiling, warnings, and seconds.
  """
  problem = _problem(*cell.values())
  started = time.perf_counter()
  estimates = estimate.mutual_information(
    rng.stream(rng.root(cell["seed"]), "calibration"),
    [problem.t],
    problem.y,
    estimator=name,
    **{**dict(config.fit), **options},
  )
  return {
    "truth": problem.truth,
    "truth_error": problem.error,
    "nats": float(estimates.nats[0]),
    "interval": float(estimates.interval[0]),
    "floor": float(estimates.floor[0]),
    "fitted": float(estimates.fitted[0]),
    "ceiling": estimates.ceiling,
    "warning": "; ".join(estimates.warnings[0]),
    "seconds": round(time.perf_counter() - started, 3),
  }


def _work(config, workdir, progress):
  rows = log.read_metrics(workdir)
  log.write_metrics(workdir, rows)  # without an incomplete last line
  done = {tuple(r[k] for k in ("estimator", *calibration.CELL)) for r in rows}
  estimators = [
    (entries.label(n, o), n, o)
    for _, n, o in entries.labelled(config.estimators)
  ]
  grid = cells(config)
  progress.phase("calibration", len(grid) * len(estimators), len(done))
  for cell in grid:
    for what, name, options in estimators:
      if (what, *cell.values()) in done:
        continue
      compilation.make_room()
      row = {"estimator": what, **cell, **measure(cell, config, name, options)}
      log.append_metrics(workdir, row)
      rows.append(row)
      progress.advance(f"{what}, n={cell['n']}, d={cell['d']}")
  frame = pd.DataFrame(rows).sort_values(["estimator", *calibration.CELL])
  tables.write(workdir, "calibration", frame.to_dict("records"))
  for name, reduced in (
    ("cells", calibration.by_cell),
    ("summary", calibration.summary),
  ):
    tables.write(
      workdir, f"calibration_{name}", reduced(frame).to_dict("records")
    )


@functools.lru_cache(maxsize=1)
def _problem(shape, n, d, classes, level, seed):
  """The problem, cached so that all estimators get the same one."""
  return information_problems.problem(
    shape, seed, n=n, d=d, classes=classes, level=level
  )
