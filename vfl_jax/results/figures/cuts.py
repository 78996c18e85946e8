"""Figure of the costs and gains of every cut."""

from matplotlib import figure as figures
from matplotlib import ticker
import pandas as pd

from vfl_jax.results.figures import style

_MARKERS = "osD^vP<"
_LEAKS = ("completion", "adaptive", "gradient", "clustering")
_PANELS = {
  "utility": "main task",
  "completion": "leak: completion",
  "adaptive": "leak: as deep as needed",
  "gradient": "leak: gradients",
  "clustering": "leak: clustering",
  "exposed": "features exposed",
  "traffic": "bytes a sample",
  "share": "a party's FLOPs",
}


def cuts(frame: pd.DataFrame) -> figures.Figure:
  """Draw quantities over the cut: a panel for each, a line per data set.

  A ring marks the reference cut. FLOPs are shares of the total.
  """
  frame = frame.assign(
    traffic=frame["up_bytes"] + frame["down_bytes"],
    share=frame["flops_passive"] / frame["flops_total"],
  )
  shown = {k: v for k, v in _PANELS.items() if frame[k].notna().any()}
  columns = min(4, len(shown))
  lines = -(-len(shown) // columns)
  figure, axes = style.subplots(
    lines, columns, squeeze=False, figsize=(2.5 * columns, 2.4 * lines + 0.5)
  )
  leaks = [axis for axis, k in zip(axes.flat, shown) if k in _LEAKS]
  for axis in leaks[1:]:
    axis.sharey(leaks[0])
  for axis, (quantity, title) in zip(axes.flat, shown.items()):
    for k, (name, data_cells) in enumerate(frame.groupby("data", sort=False)):
      data_cells = data_cells.sort_values("cut")
      colour = style.COLOURS[k % len(style.COLOURS)]
      axis.plot(
        data_cells["cut"],
        data_cells[quantity],
        color=colour,
        marker=_MARKERS[k % len(_MARKERS)],
        markersize=3.5,
        label=str(name).replace("_", " "),
      )
      if f"{quantity}_low" in data_cells:
        axis.fill_between(
          data_cells["cut"],
          data_cells[f"{quantity}_low"],
          data_cells[f"{quantity}_high"],
          color=colour,
          alpha=0.15,
          linewidth=0,
        )
      usual = data_cells[data_cells["advance"] == 0]
      axis.plot(
        usual["cut"],
        usual[quantity],
        color=colour,
        marker="o",
        markerfacecolor="none",
        markersize=9,
        linestyle="none",
      )
    if axis in leaks:
      axis.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    if quantity == "traffic":
      axis.set_yscale("log")
    axis.set_title(title)
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  for axis in axes[-1]:
    axis.set_xlabel("cut")
  for axis in axes.flat[len(shown) :]:
    axis.axis("off")
  style.legend_above(figure, axes[0, 0])
  return figure
