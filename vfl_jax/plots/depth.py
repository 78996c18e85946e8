"""Information by depth, a panel per pair of data and model."""

from matplotlib import figure as figures
import pandas as pd

from vfl_jax.plots import style

_LINES = {"held out": "-", "trained on": "--"}


def depth(frame: pd.DataFrame) -> figures.Figure:
  """Shares of H(Y) by depth: bottoms hollow, top filled.

  The first estimator; solid on rows held out, dashed on rows trained on, the
  dotted line is the floor of shuffled labels.
  """
  frame = frame[frame["estimator"] == frame["estimator"].iloc[0]]
  pairs = list(frame.groupby(["data", "model"], sort=False))
  figure, axes = style.panels(len(pairs), 4, 2.5, 2.1)
  for axis, ((data, model), part) in zip(axes.flat, pairs):
    for colour, (samples, own) in zip(
      style.COLOURS, part.groupby("samples", sort=False)
    ):
      own = own.sort_values("depth")
      axis.plot(
        own["depth"],
        own["mean"],
        _LINES.get(str(samples), "-"),
        color=colour,
        linewidth=1,
        label=str(samples),
      )
      axis.fill_between(
        own["depth"],
        own["low"],
        own["high"],
        color=colour,
        alpha=0.15,
        linewidth=0,
      )
      for place, face in (("bottom", "white"), ("top", colour)):
        points = own[own["place"] == place]
        axis.plot(
          points["depth"],
          points["mean"],
          "o",
          color=colour,
          markerfacecolor=face,
          markersize=3.5,
        )
    floor = part.groupby("depth")["floor"].mean()
    axis.plot(floor.index, floor, ":", color=style.GREY, linewidth=0.8)
    axis.set_title(f"{data}, {model}".replace("_", " "), fontsize=8)
    axis.set_ylim(-0.08, 1.05)
  for axis in axes[:, 0]:
    axis.set_ylabel("share of H(Y)")
  for axis in axes[-1]:
    axis.set_xlabel("depth")
  style.legend_above(figure, axes[0, 0])
  return figure
