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


def information(frame: pd.DataFrame) -> figures.Figure:
  """I(T;Y) by layer: per party and jointly, with floor, ceiling and cut."""
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
  stages = frame.drop_duplicates("layer").set_index("layer")["stage"]
  stages = stages.sort_index()
  for row, estimator in enumerate(estimators):
    for column, where in enumerate(samples):
      axis = axes[row, column]
      part = frame[
        (frame["estimator"] == estimator) & (frame["samples"] == where)
      ]
      _curves(axis, part)
      axis.set_title(f"{estimator}, {where}")
      axis.set_xticks(range(len(stages)), stages, rotation=90)
      axis.tick_params("x", labelsize=9 if len(stages) < 12 else 6.5)
  for axis in axes[:, 0]:
    axis.set_ylabel("nats")
  handles, labels = axes[0, 0].get_legend_handles_labels()
  figure.legend(
    handles,
    labels,
    loc="upper center",
    ncols=6,
    bbox_to_anchor=(0.5, 1.0),
  )
  figure.tight_layout(rect=(0, 0, 1, 0.95))
  return figure


def _curves(axis, part):
  parties = list(dict.fromkeys(part["party"]))
  for colour, party in zip(np.resize(COLOURS, len(parties)), parties):
    by_layer = part[part["party"] == party].groupby("layer")["nats"]
    mean, half = by_layer.mean(), by_layer.apply(spread)
    joint = party == "joint"
    axis.errorbar(
      mean.index,
      mean,
      yerr=half,
      color=INK if joint else colour,
      marker="s" if joint else "o",
      markersize=3.5,
      linewidth=1.4,
      elinewidth=0.8,
      capsize=2,
      label="all parties" if joint else f"party {party}",
    )
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


FIGURES = {"training": training, "information": information, "attacks": attacks}


def write(workdir: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
  """Every figure whose table is there, as .png and .svg; paths of the svg."""
  paths = {}
  folder = pathlib.Path(workdir) / "figures"
  folder.mkdir(parents=True, exist_ok=True)
  for name, draw in FIGURES.items():
    frame = tables.read(workdir, name)
    if frame.empty:
      continue
    with pyplot.rc_context(_STYLE):
      figure = draw(frame)
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
