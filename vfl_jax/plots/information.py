"""Information over depth and over the training."""

from matplotlib import figure as figures
from matplotlib import pyplot
import numpy as np
import pandas as pd

from vfl_jax.plots import style


def final(frame: pd.DataFrame) -> pd.DataFrame:
  """Rows about I(T;Y) at the end of the training."""
  frame = frame[frame["quantity"] == "I(T;Y)"]
  return frame[frame["epoch"] == frame["epoch"].max()]


def information(frame: pd.DataFrame) -> figures.Figure:
  """I(T;Y) by layer: per party and jointly, with floor, ceiling and cut."""
  frame = final(frame)
  estimators = list(dict.fromkeys(frame["estimator"]))
  samples = list(dict.fromkeys(frame["samples"]))
  figure, axes = pyplot.subplots(
    len(estimators),
    len(samples),
    sharex=True,
    sharey=True,
    squeeze=False,
    figsize=(4.2 * len(samples), 2.7 * len(estimators) + 0.6),
  )
  for row, estimator in enumerate(estimators):
    for column, where in enumerate(samples):
      axis = axes[row, column]
      part = frame[
        (frame["estimator"] == estimator) & (frame["samples"] == where)
      ]
      _curves(axis, part)
      _stages(axis, frame)
      axis.set_title(f"{estimator}, {where}")
  for axis in axes[:, 0]:
    axis.set_ylabel("nats")
  style.legend_above(figure, axes[0, 0])
  return figure


def _stages(axis, frame):
  """Names of the stages along the horizontal axis."""
  stages = frame.drop_duplicates("layer").set_index("layer")["stage"]
  stages = stages.sort_index()
  axis.set_xticks(range(len(stages)), stages, rotation=90)
  axis.tick_params("x", labelsize=9 if len(stages) < 12 else 6.5)


def _curves(axis, part, references=True):
  parties = list(dict.fromkeys(part["party"]))
  for colour, party in zip(np.resize(style.COLOURS, len(parties)), parties):
    joint = party == "joint"
    colour = style.INK if joint else colour
    name = "all parties" if joint else f"party {party}"
    own = part[part["party"] == party]
    for form, marker, dashes in (("flat", "o", "-"), ("pooled", "d", ":")):
      by_layer = own[own["form"] == form].groupby("layer")["nats"]
      if not by_layer.ngroups or (form == "pooled" and not joint):
        continue
      mean, half = by_layer.mean(), by_layer.apply(style.spread)
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
  floor = part.groupby("layer")["floor"]
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
    part["ceiling"].iloc[0],
    color=style.GREY,
    linestyle="--",
    linewidth=1,
    label="ceiling H(Y)",
  )
  axis.axvline(
    part["cut"].iloc[0] + 0.5,
    color=style.COLOURS[3],
    linewidth=1.2,
    label="cut",
  )


def _along(frame):
  """Held-out rows about I(T;Y) of the estimator that has several epochs."""
  frame = frame[
    (frame["quantity"] == "I(T;Y)")
    & (frame["samples"] == "held out")
    & (frame["form"] == "flat")
  ]
  if frame["epoch"].nunique() < 2:
    return frame.iloc[:0]
  early = frame[frame["epoch"] < frame["epoch"].max()]
  return frame[frame["estimator"] == early["estimator"].iloc[0]]


def information_map(frame: pd.DataFrame) -> figures.Figure | None:
  """I(T;Y) over depth and epoch, a map per party and for all of them."""
  frame = _along(frame)
  if frame.empty:
    return None
  parties = list(dict.fromkeys(frame["party"]))
  figure, axes = pyplot.subplots(
    1,
    len(parties),
    squeeze=False,
    sharey=True,
    figsize=(max(4.2, 2.9 * len(parties)), 3.2),
    layout="constrained",
  )
  top = frame["ceiling"].max()
  image = None
  for axis, party in zip(axes[0], parties, strict=True):
    own = frame[frame["party"] == party]
    table = own.pivot_table(index="epoch", columns="layer", values="nats")
    image = axis.imshow(
      table, vmin=0, vmax=top, cmap="cividis", aspect="auto", origin="lower"
    )
    axis.set_yticks(range(len(table)), table.index)
    _stages(axis, own)
    axis.grid(visible=False)
    axis.set_title("all parties" if party == "joint" else f"party {party}")
  axes[0, 0].set_ylabel("epochs trained")
  figure.colorbar(image, ax=axes[0].tolist(), label="nats, held out")
  return figure


def information_epochs(frame: pd.DataFrame) -> figures.Figure | None:
  """The same as small multiples: a panel of curves per epoch."""
  frame = _along(frame)
  if frame.empty:
    return None
  epochs = sorted(frame["epoch"].unique())
  columns = min(4, len(epochs))
  rows = -(-len(epochs) // columns)
  figure, axes = pyplot.subplots(
    rows,
    columns,
    sharex=True,
    sharey=True,
    squeeze=False,
    figsize=(2.4 * columns, 2.1 * rows + 0.9),
  )
  for axis in axes.flat[len(epochs) :]:
    axis.axis("off")
  for axis, epoch in zip(axes.flat, epochs):
    part = frame[frame["epoch"] == epoch]
    _curves(axis, part)
    _stages(axis, frame)
    axis.set_title("untrained" if not epoch else f"epoch {epoch}")
  for axis in axes[:, 0]:
    axis.set_ylabel("nats")
  style.legend_above(figure, axes[0, 0])
  return figure
