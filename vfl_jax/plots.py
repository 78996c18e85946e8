"""Figures from tables, never from live objects."""

import os
import pathlib

import matplotlib

matplotlib.use("Agg")

from matplotlib import figure as figures
from matplotlib import pyplot
import numpy as np
import pandas as pd
from scipy import stats

from vfl_jax import tables

# Okabe and Ito's palette: told apart with colour-blind eyes too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY, INK = "#8a8f98", "#1f2430"
_STYLE = {
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


def spread(values: pd.Series) -> float:
  """Half-width of the 95 % t interval over seeds; 0 for one seed."""
  n = len(values)
  if n < 2:
    return 0.0
  error = float(values.std(ddof=1)) / np.sqrt(n)
  return float(stats.t.ppf(0.975, n - 1)) * error


def training(frame: pd.DataFrame) -> figures.Figure:
  """Loss and accuracy by epoch, mean and interval over seeds."""
  figure, axes = pyplot.subplots(1, 2, figsize=(8.4, 2.9))
  panels = (("loss",), ("accuracy", "validation"))
  for axis, quantities in zip(axes, panels, strict=True):
    for colour, quantity in zip(COLOURS, quantities):
      part = frame[frame["quantity"] == quantity]
      by_epoch = part.groupby("epoch")["value"]
      mean, half = by_epoch.mean(), by_epoch.apply(spread)
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
  _legend_above(figure, axes[0, 0])
  return figure


def _stages(axis, frame):
  """Names of the stages along the horizontal axis."""
  stages = frame.drop_duplicates("layer").set_index("layer")["stage"]
  stages = stages.sort_index()
  axis.set_xticks(range(len(stages)), stages, rotation=90)
  axis.tick_params("x", labelsize=9 if len(stages) < 12 else 6.5)


def _legend_above(figure, axis):
  handles, labels = axis.get_legend_handles_labels()
  columns = min(6, len(labels))
  lines = -(-len(labels) // columns)
  figure.legend(
    handles, labels, loc="upper center", ncols=columns, bbox_to_anchor=(0.5, 1)
  )
  height = figure.get_figheight()
  figure.tight_layout(rect=(0, 0, 1, 1 - 0.28 * lines / height))


def _curves(axis, part, references=True):
  parties = list(dict.fromkeys(part["party"]))
  for colour, party in zip(np.resize(COLOURS, len(parties)), parties):
    joint = party == "joint"
    colour = INK if joint else colour
    name = "all parties" if joint else f"party {party}"
    own = part[part["party"] == party]
    for form, marker, dashes in (("flat", "o", "-"), ("pooled", "d", ":")):
      by_layer = own[own["form"] == form].groupby("layer")["nats"]
      if not by_layer.ngroups or (form == "pooled" and not joint):
        continue
      mean, half = by_layer.mean(), by_layer.apply(spread)
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
    color=GREY,
    alpha=0.35,
    linewidth=0,
  )
  axis.plot(
    floor.mean().index,
    floor.mean(),
    color=GREY,
    linestyle=":",
    label="floor (permuted labels)",
  )
  axis.axhline(
    part["ceiling"].iloc[0],
    color=GREY,
    linestyle="--",
    linewidth=1,
    label="ceiling H(Y)",
  )
  axis.axvline(
    part["cut"].iloc[0] + 0.5, color=COLOURS[3], linewidth=1.2, label="cut"
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
  _legend_above(figure, axes[0, 0])
  return figure


def compensation(frame: pd.DataFrame) -> figures.Figure:
  """Test accuracy of the federation and of what replaces its parts."""
  names = list(dict.fromkeys(frame["what"]))
  figure, axis = pyplot.subplots(figsize=(6.4, 0.7 + 0.42 * len(names)))
  for line, name in enumerate(names):
    values = frame[frame["what"] == name]["accuracy"]
    axis.errorbar(
      values.mean(),
      line,
      xerr=spread(values),
      color=INK if name == "federation" else COLOURS[0],
      marker="o",
      capsize=2.5,
      linestyle="none",
    )
  axis.axvline(frame["prior"].iloc[0], color=GREY, linestyle="--", linewidth=1)
  axis.set_yticks(range(len(names)), names)
  axis.set_ylim(len(names) - 0.5, -0.5)
  axis.set_xlim(0, 1.02)
  axis.set_xlabel("test accuracy (dashed: prior)")
  axis.grid(axis="y", visible=False)
  figure.tight_layout()
  return figure


def probes(frame: pd.DataFrame) -> figures.Figure:
  """Usable information at the cut: federation, untrained, central."""
  families = list(dict.fromkeys(frame["family"]))
  parties = list(dict.fromkeys(frame["party"]))
  whats = list(dict.fromkeys(frame["what"]))
  figure, axes = pyplot.subplots(
    1,
    len(families),
    sharey=True,
    squeeze=False,
    figsize=(4.2 * len(families), 0.9 + 0.6 * len(parties)),
  )
  offsets = np.linspace(-0.22, 0.22, len(whats))
  for axis, family in zip(axes[0], families, strict=True):
    for colour, offset, what in zip(COLOURS, offsets, whats):
      for line, party in enumerate(parties):
        own = frame[
          (frame["family"] == family)
          & (frame["what"] == what)
          & (frame["party"] == party)
        ]["nats"]
        if own.empty:
          continue
        axis.errorbar(
          own.mean(),
          line + offset,
          xerr=spread(own),
          color=colour,
          marker="o",
          markersize=5,
          capsize=2.5,
          linestyle="none",
          label=what if party == "joint" else None,
        )
    axis.axvline(
      frame["ceiling"].iloc[0], color=GREY, linestyle="--", linewidth=1
    )
    axis.set_title(f"{family} probe")
    axis.set_xlabel("usable information, nats (dashed: H(Y))")
    axis.grid(axis="y", visible=False)
  names = ["all parties" if p == "joint" else f"party {p}" for p in parties]
  axes[0, 0].set_yticks(range(len(parties)), names)
  axes[0, 0].set_ylim(len(parties) - 0.5, -0.5)
  _legend_above(figure, axes[0, 0])
  return figure


ORDER = ("prior", "features only", "no-VFL", "attack", "ceiling")
LOOKS = {
  "prior": (GREY, "|"),
  "features only": (COLOURS[4], "D"),
  "no-VFL": (COLOURS[0], "o"),
  "attack": (COLOURS[1], "o"),
  "ceiling": (COLOURS[2], "^"),
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
          xerr=spread(values["value"]),
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


# figure: the table it is drawn from, and how
FIGURES = {
  "training": ("training", training),
  "information": ("information", information),
  "information_map": ("information", information_map),
  "information_epochs": ("information", information_epochs),
  "compensation": ("compensation", compensation),
  "probes": ("probes", probes),
  "attacks": ("attacks", attacks),
}


def write(workdir: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
  """Every figure whose table is there, as .png and .svg; paths of the svg."""
  paths = {}
  folder = pathlib.Path(workdir) / "figures"
  folder.mkdir(parents=True, exist_ok=True)
  for name, (table, draw) in FIGURES.items():
    frame = tables.read(workdir, table)
    if frame.empty:
      continue
    with pyplot.rc_context(_STYLE):
      figure = draw(frame)
      if figure is None:
        continue
      if name == "training":
        figure.tight_layout()
      for suffix, options in (
        ("svg", {"metadata": {"Date": None}}),
        ("png", {"dpi": 150}),
      ):
        path = folder / f"{name}.{suffix}"
        partial = folder / f".{name}.partial.{suffix}"
        figure.savefig(partial, **options)
        os.replace(partial, path)
        paths.setdefault(name, path)
      pyplot.close(figure)
  return paths
