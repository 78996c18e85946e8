"""Figure of attacks beside their controls."""

from matplotlib import figure as figures
import numpy as np
import pandas as pd

from vfl_jax.results.figures import style
from vfl_jax.results import intervals

ORDER = ("prior", "features only", "no-VFL", "attack", "ceiling")
LOOKS = {
  "prior": (style.GREY, "|"),
  "features only": (style.COLOURS[4], "D"),
  "no-VFL": (style.COLOURS[0], "o"),
  "attack": (style.COLOURS[1], "o"),
  "ceiling": (style.COLOURS[2], "^"),
}


def attacks(frame: pd.DataFrame) -> figures.Figure:
  """Draw each attack beside its controls and ceiling, with intervals."""
  frame = frame[frame["primary"]]
  groups = list(frame.groupby(["attack", "party"], sort=False))
  figure, axes = style.subplots(
    1,
    2,
    sharey=True,
    figsize=(8.4, 0.75 + (1.15 if len(groups) < 5 else 0.7) * len(groups)),
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
          xerr=intervals.half_width(values.groupby("seed")["value"].mean()),
          color=colour,
          marker=marker,
          markersize=6,
          elinewidth=1.2,
          capsize=2.5,
          linestyle="none",
          label=what,
        )
    axis.set_title(f"{where} rows")
    axis.set_xlim(0, 1.02)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.set_xlabel("score")
    axis.grid(axis="y", visible=False)
  names = [
    f"{str(attack).replace('_', ' ')}\nparty {party}, "
    + group["metric"].iloc[0].replace("_", " ")
    for (attack, party), group in groups
  ]
  axes[0].set_yticks(range(len(groups)), names)
  marks = {
    label: handle
    for axis in axes
    for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
  }
  shown = [what for what in ORDER if what in marks]
  figure.legend(
    [marks[what] for what in shown], shown, loc="lower center", ncols=5
  )
  bottom = 0.42 / figure.get_figheight()
  figure.tight_layout(rect=(0, bottom, 1, 1))
  return figure
