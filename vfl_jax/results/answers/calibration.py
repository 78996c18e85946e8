"""Errors of estimators of I(T;Y) on problems whose truth is known."""

import numpy as np
import pandas as pd

CELL = ["shape", "n", "d", "classes", "level", "seed"]


def by_cell(frame: pd.DataFrame) -> pd.DataFrame:
  """Errors over seeds, for each estimator and kind of problem.

  Args:
    frame: estimates, one per row, with the columns of `CELL`, estimator, nats,
      interval, truth, truth_error and fitted.

  Returns:
    One row per estimator and kind of problem, in nats: truth and truth_error
    (its largest standard error), bias, spread (standard deviation), mae (mean
    absolute error), above (share of estimates whose whole interval lies above
    the truth) and own_rows (mean estimate on the rows that the critics were
    fitted on).
  """
  error = frame["nats"] - frame["truth"]
  groups = frame.assign(
    error=error,
    absolute=error.abs(),
    over=error > frame["interval"] + 2 * frame["truth_error"],
  ).groupby(["estimator", *CELL[:-1]], sort=False)
  errors = groups.agg(
    truth=("truth", "mean"),
    truth_error=("truth_error", "max"),
    bias=("error", "mean"),
    spread=("error", "std"),
    mae=("absolute", "mean"),
    above=("over", "mean"),
    own_rows=("fitted", "mean"),
  )
  return errors.round(4).reset_index()


def summary(frame: pd.DataFrame) -> pd.DataFrame:
  """Errors by estimator and sample size, over all problems of that size.

  Args:
    frame: estimates, as for `by_cell`.

  Returns:
    One row per estimator and sample size n ("all" for all sizes), sorted by n
    and share: bias (mean error), spread (standard deviation of the error over
    seeds, averaged over problems), mae and share (mean absolute error in nats,
    and as a share of log(classes) with each error clipped to 1), covered (share
    of truths inside the 95 % interval), above (share of estimates whose whole
    interval lies above the truth; a lower bound should have none), estimates
    (their number) and seconds (median).
  """
  frame = frame.assign(
    error=frame["nats"] - frame["truth"],
    scale=np.log(frame["classes"]),
    slack=frame["interval"] + 2 * frame["truth_error"],
  )

  def facts(estimates):
    error = estimates["error"]
    over_seeds = estimates.groupby(CELL[:-1])["error"].std(ddof=1)
    return pd.Series(
      {
        "bias": error.mean(),
        "spread": over_seeds.mean(),
        "mae": error.abs().mean(),
        "share": (error.abs() / estimates["scale"]).clip(upper=1).mean(),
        "covered": (error.abs() <= estimates["slack"]).mean(),
        "above": (error > estimates["slack"]).mean(),
        "estimates": len(estimates),
        "seconds": estimates["seconds"].median(),
      }
    )

  sizes = [(str(n), estimates) for n, estimates in frame.groupby("n")]
  rows = [
    {"estimator": estimator, "n": n, **facts(estimates)}
    for n, whole in [("all", frame), *sizes]
    for estimator, estimates in whole.groupby("estimator", sort=False)
  ]
  order = ["all", *(n for n, _ in sizes)]
  return pd.DataFrame(rows).sort_values(
    ["n", "share"],
    key=lambda c: c.map(order.index) if c.name == "n" else c,
    ignore_index=True,
  )
