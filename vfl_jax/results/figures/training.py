"""Figure of the training of the federation."""

from matplotlib import figure as figures
import pandas as pd

from vfl_jax.results.figures import style
from vfl_jax.results import intervals


def training(frame: pd.DataFrame) -> figures.Figure:
  """Draw loss and accuracy by epoch, with means and intervals over seeds."""
  figure, axes = style.subplots(1, 2, figsize=(8.4, 2.9))
  panels = (("loss",), ("accuracy", "validation"))
  for axis, quantities in zip(axes, panels, strict=True):
    for colour, quantity in zip(style.COLOURS, quantities):
      values = frame[frame["quantity"] == quantity]
      by_epoch = values.groupby("epoch")["value"]
      mean, half = by_epoch.mean(), by_epoch.apply(intervals.half_width)
      label = {"accuracy": "training batches"}.get(quantity, quantity)
      axis.plot(mean.index + 1, mean, color=colour, label=label)
      axis.fill_between(
        mean.index + 1,
        mean - half,
        mean + half,
        color=colour,
        alpha=0.15,
        linewidth=0,
      )
    axis.set_xlabel("epoch")
  axes[0].set_title("Training loss (nats)")
  axes[1].set_title("Main task accuracy")
  axes[1].legend(loc="lower right")
  return figure
