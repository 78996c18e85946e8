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

import numpy as np
import pandas as pd

from vfl_jax import entries
from vfl_jax import console
from vfl_jax import information
from vfl_jax import lifecycle
from vfl_jax import programs
from vfl_jax import rng
from vfl_jax import tables
from vfl_jax.information import truths

CELL = ["shape", "n", "d", "classes", "level", "seed"]


def run(
  config: Any, workdir: str | os.PathLike[str], progress: Any = None
) -> pathlib.Path:
  """Measure every estimator on every problem of the grid, then report.

  Every measurement is written when it is made; what is there is not repeated.

  Args:
    config: from `config.validate`, of kind "calibration".
    workdir: created if need be; holds one config's run.
    progress: a `console.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written.
  """
  return lifecycle.complete(config, workdir, progress, _work)


def dry_run(config: Any) -> None:
  """Print how many problems and estimates the grid asks for."""
  problems, estimators = len(cells(config)), len(config.estimators)
  console.say(
    f"{problems} problems, {estimators} estimators: "
    f"{problems * estimators} estimates, each of {config.fit.folds} folds and "
    f"a floor, {config.fit.steps} steps."
  )


def cells(config: Any) -> list[dict[str, Any]]:
  """The problems of a grid; those that share a program follow one another."""
  grid = config.grid
  return [
    dict(zip(CELL, (shape, n, d, classes, level, config.seed + seed)))
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
  found = information.mutual_information(
    rng.stream(rng.root(cell["seed"]), "calibration"),
    [problem.t],
    problem.y,
    estimator=name,
    **{**dict(config.fit), **options},
  )
  return {
    "truth": problem.truth,
    "truth_error": problem.error,
    "nats": float(found.nats[0]),
    "interval": float(found.interval[0]),
    "floor": float(found.floor[0]),
    "fitted": float(found.fitted[0]),
    "ceiling": found.ceiling,
    "warning": "; ".join(found.warnings[0]),
    "seconds": round(time.perf_counter() - started, 3),
  }


def _work(config, workdir, progress):
  rows = tables.read_metrics(workdir)
  tables.write_metrics(workdir, rows)  # without a torn last line
  done = {tuple(r[k] for k in ("estimator", *CELL)) for r in rows}
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
      programs.make_room()
      row = {"estimator": what, **cell, **measure(cell, config, name, options)}
      tables.append_metrics(workdir, row)
      rows.append(row)
      progress.advance(f"{what}, n={cell['n']}, d={cell['d']}")
  frame = pd.DataFrame(rows).sort_values(["estimator", *CELL])
  tables.write(workdir, "calibration", frame.to_dict("records"))
  for name, reduced in (("cells", by_cell), ("summary", summary)):
    tables.write(
      workdir, f"calibration_{name}", reduced(frame).to_dict("records")
    )


@functools.lru_cache(maxsize=1)
def _problem(shape, n, d, classes, level, seed):
  """The problem at hand: the same for every estimator."""
  return truths.problem(shape, seed, n=n, d=d, classes=classes, level=level)


def by_cell(frame: pd.DataFrame) -> pd.DataFrame:
  """Errors over seeds of every estimator on every kind of problem.

  Returns:
    Per estimator and cell: truth and its largest standard error, bias, spread
    (standard deviation), mae (mean absolute error), above (share of estimates
    whose whole interval lies above the truth) and own_rows (what critics read
    on the rows they were fitted on).
  """
  error = frame["nats"] - frame["truth"]
  groups = frame.assign(
    error=error,
    absolute=error.abs(),
    over=error > frame["interval"] + 2 * frame["truth_error"],
  ).groupby(["estimator", *CELL[:-1]], sort=False)
  found = groups.agg(
    truth=("truth", "mean"),
    truth_error=("truth_error", "max"),
    bias=("error", "mean"),
    spread=("error", "std"),
    mae=("absolute", "mean"),
    above=("over", "mean"),
    own_rows=("fitted", "mean"),
  )
  return found.round(4).reset_index()


def summary(frame: pd.DataFrame) -> pd.DataFrame:
  """Error by estimator and sample size, over all problems of that size.

  Returns:
    bias (mean error), spread (standard deviation of the error over seeds,
    averaged over problems), mae and share (mean absolute error in nats, and as
    a share of log(classes), where no error counts for more than 1), covered
    (share of truths inside the 95 % interval) and above (share of estimates
    whose whole interval lies above the truth: a lower bound should have none).
  """
  frame = frame.assign(
    error=frame["nats"] - frame["truth"],
    scale=np.log(frame["classes"]),
    slack=frame["interval"] + 2 * frame["truth_error"],
  )

  def facts(part):
    error = part["error"]
    over_seeds = part.groupby(CELL[:-1])["error"].std(ddof=1)
    return pd.Series(
      {
        "bias": error.mean(),
        "spread": over_seeds.mean(),
        "mae": error.abs().mean(),
        "share": (error.abs() / part["scale"]).clip(upper=1).mean(),
        "covered": (error.abs() <= part["slack"]).mean(),
        "above": (error > part["slack"]).mean(),
        "estimates": len(part),
        "seconds": part["seconds"].median(),
      }
    )

  sizes = [(str(n), part) for n, part in frame.groupby("n")]
  found = [
    {"estimator": estimator, "n": n, **facts(part)}
    for n, whole in [("all", frame), *sizes]
    for estimator, part in whole.groupby("estimator", sort=False)
  ]
  order = ["all", *(n for n, _ in sizes)]
  return pd.DataFrame(found).sort_values(
    ["n", "share"],
    key=lambda c: c.map(order.index) if c.name == "n" else c,
    ignore_index=True,
  )
