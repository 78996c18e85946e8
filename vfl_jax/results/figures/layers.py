"""Figures of information over depth and over training."""

import itertools

from matplotlib import figure as figures
import numpy as np
import pandas as pd

from vfl_jax.results.figures import style
from vfl_jax.results import intervals


def final(frame: pd.DataFrame) -> pd.DataFrame:
  """Rows about I(T;Y) at the end of the training."""
  frame = frame[frame["quantity"] == "I(T;Y)"]
  return frame[frame["epoch"] == frame["epoch"].max()]


def information(frame: pd.DataFrame) -> figures.Figure:
  """Draw I(T;Y) by layer, per party and jointly; with floor, ceiling, cut."""
  frame = final(frame)
  estimators = list(dict.fromkeys(frame["estimator"]))
  samples = list(dict.fromkeys(frame["samples"]))
  figure, axes = style.panels(
    len(estimators) * len(samples), len(samples), 4.2, 2.7
  )
  for row, estimator in enumerate(estimators):
    for column, where in enumerate(samples):
      axis = axes[row, column]
      estimates = frame[
        (frame["estimator"] == estimator) & (frame["samples"] == where)
      ]
      _curves(axis, estimates)
      _stages(axis, frame)
      axis.set_title(f"{estimator}, {where}")
  for axis in axes[:, 0]:
    axis.set_ylabel("nats")
  style.legend_above(figure, axes[0, 0])
  return figure


def _stages(axis, frame):
  """Write the names of the stages along the horizontal axis."""
  stages = frame.drop_duplicates("layer").set_index("layer")["stage"]
  stages = stages.sort_index()
  axis.set_xticks(range(len(stages)), stages, rotation=90)
  axis.tick_params("x", labelsize=9 if len(stages) < 12 else 6.5)


def _curves(axis, estimates, references=True):
  parties = list(dict.fromkeys(estimates["party"]))
  for colour, party in zip(np.resize(style.COLOURS, len(parties)), parties):
    joint = party == "joint"
    colour = style.INK if joint else colour
    name = "all parties" if joint else f"party {party}"
    party_estimates = estimates[estimates["party"] == party]
    for form, marker, dashes in (("flat", "o", "-"), ("pooled", "d", ":")):
      by_layer = party_estimates[party_estimates["form"] == form].groupby(
        "layer"
      )["nats"]
      if not by_layer.ngroups or (form == "pooled" and not joint):
        continue
      mean, half = by_layer.mean(), by_layer.apply(intervals.half_width)
      axis.errorbar(
        mean.index,
        mean,
        yerr=half,
        color=colour,
        marker="s" if joint and form == "flat" else marker,
        linestyle=dashes,
        markersize=3.5,
        linewidth=1.4 if form == "flat" else 1,
        elinewidth=0.8,
        capsize=2,
        label=name if form == "flat" else f"{name}, maps pooled",
      )
  if not references:
    return
  floor = estimates.groupby("layer")["floor"]
  axis.fill_between(
    floor.min().index,
    floor.min(),
    floor.max(),
    color=style.GREY,
    alpha=0.35,
    linewidth=0,
  )
  axis.plot(
    floor.mean().index,
    floor.mean(),
    color=style.GREY,
    linestyle=":",
    label="floor (permuted labels)",
  )
  axis.axhline(
    estimates["ceiling"].iloc[0],
    color=style.GREY,
    linestyle="--",
    linewidth=1,
    label="ceiling H(Y)",
  )
  axis.axvline(
    estimates["cut"].iloc[0] + 0.5,
    color=style.COLOURS[3],
    linewidth=1.2,
    label="cut",
  )


def _along(frame):
  """Rows about I(T;Y) of the estimator that was used at several epochs."""
  frame = frame[(frame["quantity"] == "I(T;Y)") & (frame["form"] == "flat")]
  if frame["epoch"].nunique() < 2:
    return frame.iloc[:0]
  early = frame[frame["epoch"] < frame["epoch"].max()]
  return frame[frame["estimator"] == early["estimator"].iloc[0]]


def information_map(frame: pd.DataFrame) -> figures.Figure | None:
  """Draw I(T;Y) over depth and epoch: maps, a column per party and for all."""
  frame = _along(frame)
  if frame.empty:
    return None
  parties = list(dict.fromkeys(frame["party"]))
  samples = list(dict.fromkeys(frame["samples"]))
  figure, axes = style.subplots(
    len(samples),
    len(parties),
    squeeze=False,
    sharex="col",
    sharey=True,
    figsize=(max(4.2, 2.9 * len(parties)), 2.1 * len(samples) + 1),
    layout="constrained",
  )
  image = None
  for (i, where), (j, party) in itertools.product(
    enumerate(samples), enumerate(parties)
  ):
    axis = axes[i, j]
    estimates = frame[(frame["party"] == party) & (frame["samples"] == where)]
    table = estimates.pivot_table(index="epoch", columns="layer", values="nats")
    image = axis.imshow(
      table,
      vmin=0,
      vmax=frame["ceiling"].max(),
      cmap="cividis",
      aspect="auto",
      origin="lower",
    )
    axis.set_yticks(range(len(table)), table.index)
    _stages(axis, estimates)
    axis.grid(visible=False)
    name = "all parties" if party == "joint" else f"party {party}"
    axis.set_title(f"{name}, {where}")
  for axis in axes[:, 0]:
    axis.set_ylabel("epochs trained")
  figure.colorbar(image, ax=axes.ravel().tolist(), label="nats")
  return figure


def information_epochs(frame: pd.DataFrame) -> figures.Figure | None:
  """Draw I(T;Y) by layer as small multiples, by epoch and kind of rows."""
  frame = _along(frame)
  if frame.empty:
    return None
  epochs = sorted(frame["epoch"].unique())
  samples = list(dict.fromkeys(frame["samples"]))
  columns = min(4, len(epochs))
  lines = -(-len(epochs) // columns)  # rows of panels, for each kind of rows
  figure, axes = style.panels(len(samples) * lines * columns, columns, 2.4, 2.1)
  for i, where in enumerate(samples):
    block = axes[i * lines : (i + 1) * lines].flat
    for axis in block[len(epochs) :]:
      axis.axis("off")
    for axis, epoch in zip(block, epochs):
      estimates = frame[(frame["epoch"] == epoch) & (frame["samples"] == where)]
      _curves(axis, estimates)
      _stages(axis, frame)
      axis.set_title(f"{f'epoch {epoch}' if epoch else 'untrained'}, {where}")
  for axis in axes[:, 0]:
    axis.set_ylabel("nats")
  style.legend_above(figure, axes[0, 0])
  return figure
