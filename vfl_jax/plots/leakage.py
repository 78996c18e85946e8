"""Attacks beside their controls."""

from matplotlib import figure as figures
from matplotlib import pyplot
import numpy as np
import pandas as pd

from vfl_jax.plots import style


ORDER = ("prior", "features only", "no-VFL", "attack", "ceiling")
LOOKS = {
  "prior": (style.GREY, "|"),
  "features only": (style.COLOURS[4], "D"),
  "no-VFL": (style.COLOURS[0], "o"),
  "attack": (style.COLOURS[1], "o"),
  "ceiling": (style.COLOURS[2], "^"),
}


def attacks(frame: pd.DataFrame) -> figures.Figure:
  """Each attack beside its controls and ceiling, intervals over seeds."""
  groups = list(frame.groupby(["attack", "party"], sort=False))
  figure, axes = pyplot.subplots(
    1, 2, sharey=True, figsize=(8.4, 0.75 + 1.15 * len(groups))
  )
  offsets = np.linspace(0.3, -0.3, len(ORDER))
  for axis, where in zip(axes, ("train", "test"), strict=True):
    for line, (_, group) in enumerate(groups):
      for offset, what in zip(offsets, ORDER, strict=True):
        values = group[(group["rows"] == where) & (group["what"] == what)]
        if values.empty:
          continue
        colour, marker = LOOKS[what]
        axis.errorbar(
          values["value"].mean(),
          line - offset,
          xerr=style.spread(values["value"]),
          color=colour,
          marker=marker,
          markersize=6,
          elinewidth=1.2,
          capsize=2.5,
          linestyle="none",
          label=what if not line else None,
        )
    axis.set_title(f"{where} rows")
    axis.set_xlim(0, 1.02)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.set_xlabel(str(frame["metric"].iloc[0]).replace("_", " "))
    axis.grid(axis="y", visible=False)
  names = [f"{attack}\nparty {party}" for (attack, party), _ in groups]
  axes[0].set_yticks(range(len(groups)), names)
  handles, labels = axes[0].get_legend_handles_labels()
  figure.legend(handles, labels, loc="lower center", ncols=5)
  bottom = 0.42 / figure.get_figheight()
  figure.tight_layout(rect=(0, bottom, 1, 1))
  return figure
