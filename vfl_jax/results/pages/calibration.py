"""What the report of a calibration shows."""

import pathlib
from typing import Any

import numpy as np
import pandas as pd

from vfl_jax.results import tables


def contents(workdir: pathlib.Path, config: Any) -> dict[str, Any]:
  """The variables of calibration.html, from the files of a workdir."""
  del config
  summary = tables.read(workdir, "calibration_summary")
  estimates = tables.read(workdir, "calibration")
  return {
    "summary": summary.to_dict("records"),
    "findings": findings(summary) + reservations(estimates),
    "truth_error": estimates["truth_error"].max(),
  }


def findings(summary: pd.DataFrame) -> list[tuple[str, str]]:
  """Sentences on the best estimator, over all problems and by sample size."""
  sentences = []
  for n, by_estimator in summary.groupby("n", sort=False):
    first, second, *_ = [*by_estimator.sort_values("share").itertuples(), None]
    text = "Over all problems" if n == "all" else f"With {n} samples"
    text += f" the smallest error is that of {first.estimator}"
    detail = f"{first.share:.3f} of H(Y), {first.mae:.3f} nats"
    if second:
      detail += f"; next {second.estimator}, {second.share:.3f}"
    sentences.append((text, detail))
  bold = summary[(summary["n"] == "all") & (summary["above"] > 0.05)]
  for row in bold.itertuples():
    sentences.append(
      (
        f"{row.estimator} claims more than there is",
        f"{row.above:.0%} of its 95 % intervals lie wholly above the truth",
      )
    )
  return sentences


def reservations(frame: pd.DataFrame) -> list[tuple[str, str]]:
  """Sentences on estimates from fitted rows, and on the worth of warnings."""
  trained = frame[frame["fitted"].notna()]
  if trained.empty:
    return []
  scale = np.log(trained["classes"])
  error, fitted_error = (
    ((trained[column] - trained["truth"]).abs() / scale).clip(upper=1)
    for column in ("nats", "fitted")
  )
  nothing = trained[trained["truth"] == 0]
  sentences = [
    (
      "Read on the rows that critics were fitted on, the error would be "
      f"{fitted_error.mean():.3f} of H(Y) instead of {error.mean():.3f}",
      "where the truth is 0, own rows read "
      f"{nothing['fitted'].median():.2f} nats "
      f"in the median, the reported ones {nothing['nats'].median():+.2f}",
    )
  ]
  warned = trained["warning"].fillna("").str.contains("n too small")
  if warned.any() and not warned.all():
    sentences.append(
      (
        f"Where the warning that n is too small stands the error is "
        f"{error[warned].mean():.3f} of H(Y), elsewhere "
        f"{error[~warned].mean():.3f}",
        f"it stands beside {warned.mean():.0%} of the trained estimates",
      )
    )
  return sentences
