"""Figures of interventions: whether bottoms or top do the work."""

from matplotlib import figure as figures
import numpy as np
import pandas as pd

from vfl_jax.results.figures import style
from vfl_jax.results import intervals


def compensation(frame: pd.DataFrame) -> figures.Figure:
  """Draw test accuracies of the federation and with parts of it replaced."""
  names = list(dict.fromkeys(frame["what"]))
  figure, axis = style.subplots(figsize=(8.4, 0.7 + 0.36 * len(names)))
  for line, name in enumerate(names):
    values = frame[frame["what"] == name]["accuracy"]
    axis.errorbar(
      values.mean(),
      line,
      xerr=intervals.half_width(values),
      color=style.INK if name == "federation" else style.COLOURS[0],
      marker="o",
      capsize=2.5,
      linestyle="none",
    )
  axis.axvline(
    frame["prior"].iloc[0], color=style.GREY, linestyle="--", linewidth=1
  )
  axis.set_yticks(range(len(names)), names)
  axis.set_ylim(len(names) - 0.5, -0.5)
  axis.set_xlim(0, 1.02)
  axis.set_xlabel("test accuracy (dashed: prior)")
  axis.grid(axis="y", visible=False)
  figure.tight_layout()
  return figure


def probes(frame: pd.DataFrame) -> figures.Figure:
  """Draw usable information at the cut: federation, untrained, central."""
  families = list(dict.fromkeys(frame["family"]))
  parties = list(dict.fromkeys(frame["party"]))
  whats = list(dict.fromkeys(frame["what"]))
  figure, axes = style.subplots(
    1,
    len(families),
    sharey=True,
    squeeze=False,
    figsize=(4.2 * len(families), 0.9 + 0.6 * len(parties)),
  )
  offsets = np.linspace(-0.22, 0.22, len(whats))
  for axis, family in zip(axes[0], families, strict=True):
    for colour, offset, what in zip(style.COLOURS, offsets, whats):
      for line, party in enumerate(parties):
        values = frame[
          (frame["family"] == family)
          & (frame["what"] == what)
          & (frame["party"] == party)
        ]["nats"]
        if values.empty:
          continue
        axis.errorbar(
          values.mean(),
          line + offset,
          xerr=intervals.half_width(values),
          color=colour,
          marker="o",
          markersize=5,
          capsize=2.5,
          linestyle="none",
          label=what if party == "joint" else None,
        )
    axis.axvline(
      frame["ceiling"].iloc[0], color=style.GREY, linestyle="--", linewidth=1
    )
    axis.set_title(f"{family} probe")
    axis.set_xlabel("usable information, nats (dashed: H(Y))")
    axis.grid(axis="y", visible=False)
  names = ["all parties" if p == "joint" else f"party {p}" for p in parties]
  axes[0, 0].set_yticks(range(len(parties)), names)
  axes[0, 0].set_ylim(len(parties) - 0.5, -0.5)
  style.legend_above(figure, axes[0, 0])
  return figure
