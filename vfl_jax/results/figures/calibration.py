"""Figures of estimates against the truth."""

from matplotlib import figure as figures
import numpy as np
import pandas as pd

from vfl_jax.results.figures import style


def _ordered(frame):
  """Names of the estimators, by increasing error."""
  error = (frame["nats"] - frame["truth"]).abs() / np.log(frame["classes"])
  error = error.clip(upper=1)
  return list(error.groupby(frame["estimator"]).mean().sort_values().index)


def calibration(frame: pd.DataFrame) -> figures.Figure:
  """Draw estimates over truth: a panel per estimator, a colour per size."""
  names = _ordered(frame)
  figure, axes = style.panels(len(names), 5, 2.3, 2.35)
  sizes = sorted(frame["n"].unique())
  for axis, name in zip(axes.flat, names):
    axis.plot([0, 1], [0, 1], color=style.GREY, linewidth=1)
    apart = 0.035 * (np.arange(len(sizes)) - (len(sizes) - 1) / 2)
    colours = np.resize(style.COLOURS, len(sizes))
    for n, colour, shift in zip(sizes, colours, apart, strict=True):
      estimates = frame[(frame["estimator"] == name) & (frame["n"] == n)]
      scale = np.log(estimates["classes"])
      axis.plot(
        # shifted so that sizes do not hide each other
        estimates["truth"] / scale + shift,
        (estimates["nats"] / scale).clip(-0.3, 1.3),
        ".",
        color=colour,
        markersize=2.5,
        alpha=0.6,
        label=f"n = {n:,}",
      )
    axis.set_title(name)
    axis.set_ylim(-0.35, 1.35)
  for axis in axes[:, 0]:
    axis.set_ylabel("estimate / H(Y)")
  for axis in axes[-1]:
    axis.set_xlabel("truth / H(Y)")
  style.legend_above(figure, axes[0, 0])
  return figure


def calibration_errors(frame: pd.DataFrame) -> figures.Figure:
  """Draw mean absolute errors by dimension: a panel per size and classes."""
  names = _ordered(frame)
  frame = frame.assign(
    error=(
      (frame["nats"] - frame["truth"]).abs() / np.log(frame["classes"])
    ).clip(upper=1)
  )
  sizes, classes = (sorted(frame[k].unique()) for k in ("n", "classes"))
  figure, axes = style.panels(len(sizes) * len(classes), len(classes), 3.0, 2.1)
  markers = "osDv^<>pX*"
  for i, n in enumerate(sizes):
    for j, count in enumerate(classes):
      axis = axes[i, j]
      estimates = frame[(frame["n"] == n) & (frame["classes"] == count)]
      for k, name in enumerate(names):
        error = (
          estimates[estimates["estimator"] == name].groupby("d")["error"].mean()
        )
        axis.plot(
          error.index,
          error.clip(upper=1),
          marker=markers[k % len(markers)],
          markersize=3.5,
          linewidth=1.2 if k < 3 else 0.7,
          color=style.COLOURS[k % len(style.COLOURS)],
          linestyle="-" if k < len(style.COLOURS) else ":",
          label=name,
        )
      axis.set_xscale("log", base=2)
      axis.set_title(f"n = {n:,}, {count} classes")
  for axis in axes[:, 0]:
    axis.set_ylabel("error / H(Y)")
  for axis in axes[-1]:
    axis.set_xlabel("columns")
    axis.set_xticks(sorted(frame["d"].unique()))
    axis.xaxis.set_major_formatter("{x:.0f}")
  style.legend_above(figure, axes[0, 0])
  return figure
