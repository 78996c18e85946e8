"""Figure of information by depth, a panel per pair of data and model."""

from matplotlib import figure as figures
from matplotlib import ticker
import pandas as pd

from vfl_jax.results.figures import style

_LINES = {"held out": "-", "trained on": "--"}
_PLACES = {"bottom": "a party", "joint": "all parties"}


def depth(frame: pd.DataFrame) -> figures.Figure:
  """Draw shares of H(Y) by depth, by the first estimator.

  Hollow markers are of a single party, filled ones of all parties jointly.
  Solid lines are on rows held out, dashed ones on rows trained on; the dotted
  line is the floor of permuted labels.
  """
  frame = frame[frame["estimator"] == frame["estimator"].iloc[0]]
  pairs = list(frame.groupby(["data", "model"], sort=False))
  figure, axes = style.panels(len(pairs), 4, 2.5, 2.1)
  for axis, ((data, model), pair_curves) in zip(axes.flat, pairs):
    for colour, (samples, sample_curves) in zip(
      style.COLOURS, pair_curves.groupby("samples", sort=False)
    ):
      for place, face in (("bottom", "white"), ("joint", colour)):
        points = sample_curves[sample_curves["place"] == place].sort_values(
          "layer"
        )
        axis.plot(
          points["layer"],
          points["mean"],
          _LINES.get(str(samples), "-"),
          marker="o",
          markersize=3.5,
          markerfacecolor=face,
          color=colour,
          linewidth=1,
          label=f"{_PLACES[place]}, {samples}",
        )
        axis.fill_between(
          points["layer"],
          points["low"],
          points["high"],
          color=colour,
          alpha=0.15,
          linewidth=0,
        )
    floor = pair_curves.groupby("layer")["floor"].mean()
    axis.plot(floor.index, floor, ":", color=style.GREY, linewidth=0.8)
    axis.set_title(f"{data}, {model}".replace("_", " "), fontsize=8)
    axis.set_ylim(-0.08, 1.05)
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  for axis in axes[:, 0]:
    axis.set_ylabel("share of H(Y)")
  for axis in axes[-1]:
    axis.set_xlabel("layer")
  style.legend_above(figure, axes[0, 0])
  return figure
