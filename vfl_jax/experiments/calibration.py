"""Calibration: every estimator against problems of known I(T;Y).

Which estimator is to be believed is decided here, over sample sizes,
dimensions, classes, levels and shapes, not by how plausible a curve looks.
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

  Every measurement is written when it is made; what is there is not repeated.

  Args:
    config: from `validate.validate`, of kind "calibration".
    workdir: created if need be; holds one config's run.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written.
  """
  return lifecycle.complete(config, workdir, progress, _work)


def dry_run(config: Any) -> None:
  """Print how many problems and estimates the grid asks for."""
  problems, estimators = len(cells(config)), len(config.estimators)
  terminal.say(
    f"{problems} problems, {estimators} estimators: "
    f"{problems * estimators} estimates, each of {config.fit.folds} folds and "
    f"a floor, {config.fit.steps} steps."
  )


def cells(config: Any) -> list[dict[str, Any]]:
  """The problems of a grid; those that share a program follow one another."""
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
  """One estimate beside its truth, in nats."""
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
  log.write_metrics(workdir, rows)  # without a torn last line
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
  """The problem at hand: the same for every estimator."""
  return information_problems.problem(
    shape, seed, n=n, d=d, classes=classes, level=level
  )
