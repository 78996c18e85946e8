"""What all figures share: colours, intervals, a legend above the panels."""

from typing import Any

from matplotlib import figure as figures

# Okabe and Ito's palette: told apart with colour-blind eyes too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY, INK = "#8a8f98", "#1f2430"
RC = {
  "font.family": "DejaVu Sans",
  "font.size": 9,
  "axes.titlesize": 10,
  "axes.titleweight": "bold",
  "axes.titlelocation": "left",
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.edgecolor": "#c3c8d0",
  "axes.labelcolor": INK,
  "axes.grid": True,
  "grid.color": "#eceff3",
  "text.color": INK,
  "xtick.color": "#555b66",
  "ytick.color": "#555b66",
  "legend.frameon": False,
  "svg.fonttype": "none",
  "svg.hashsalt": "vfl_jax",
}


def subplots(
  rows: int = 1,
  columns: int = 1,
  *,
  figsize: tuple[float, float],
  layout: Any = None,
  **options: Any,
) -> tuple[figures.Figure, Any]:
  """A figure and its axes without pyplot: a notebook keeps its own backend."""
  figure = figures.Figure(figsize=figsize, layout=layout)
  return figure, figure.subplots(rows, columns, **options)


def panels(count: int, columns: int, width: float, height: float):
  """A figure of small multiples and as many axes; `legend_above` it."""
  columns = min(columns, count)
  rows = -(-count // columns)
  figure, axes = subplots(
    rows,
    columns,
    sharex=True,
    sharey=True,
    squeeze=False,
    figsize=(width * columns, height * rows + 0.8),
  )
  for axis in axes.flat[count:]:
    axis.axis("off")
  return figure, axes


def legend_above(figure, axis):
  handles, labels = axis.get_legend_handles_labels()
  columns = min(6, len(labels))
  lines = -(-len(labels) // columns)
  figure.legend(
    handles, labels, loc="upper center", ncols=columns, bbox_to_anchor=(0.5, 1)
  )
  height = figure.get_figheight()
  figure.tight_layout(rect=(0, 0, 1, 1 - 0.28 * lines / height))
