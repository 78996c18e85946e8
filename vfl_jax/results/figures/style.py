"""Style that all figures share: colours, panels, a legend above them."""

from typing import Any

from matplotlib import figure as figures

# Okabe and Ito's palette, which colour-blind readers can distinguish too
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
  """Create a figure and its axes without pyplot.

  A notebook thus keeps its own backend.

  Args:
    rows: number of rows of panels.
    columns: number of columns of panels.
    figsize: width and height in inches.
    layout: layout engine of the figure.
    **options: further options of `Figure.subplots`.
  """
  figure = figures.Figure(figsize=figsize, layout=layout)
  return figure, figure.subplots(rows, columns, **options)


def panels(count: int, columns: int, width: float, height: float):
  """Create a figure of small multiples, to finish with `legend_above`.

  Args:
    count: number of panels; axes beyond them are hidden.
    columns: most panels in a row.
    width: of a panel, in inches.
    height: of a panel, in inches.

  Returns:
    The figure and its axes, an array of shape [rows, columns].
  """
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
  """Put the legend of one panel above all panels, and tighten the layout."""
  handles, labels = axis.get_legend_handles_labels()
  columns = min(6, len(labels))
  lines = -(-len(labels) // columns)
  figure.legend(
    handles, labels, loc="upper center", ncols=columns, bbox_to_anchor=(0.5, 1)
  )
  height = figure.get_figheight()
  figure.tight_layout(rect=(0, 0, 1, 1 - 0.28 * lines / height))
