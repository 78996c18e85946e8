"""Figures of utility against leakage, with and without an advanced cut."""

from matplotlib import figure as figures
import pandas as pd

from vfl_jax.results.figures import style

GROUPS = {
  "noise": (
    "gaussian",
    "laplace",
    "isotropic",
    "max_norm",
    "perpendicular",
    "grad_perturb",
    "marvell",
  ),
  "fewer bits": (
    "compression",
    "sparsification",
    "discrete",
    "sign",
    "ppdl",
    "average",
  ),
  "labels": ("label_dp", "kdk", "cae", "dcae", "lcd"),
  "representation": (
    "mid",
    "dcor",
    "peloss",
    "adversarial",
    "mixup",
    "fedpass",
  ),
}
COLOURS = (*style.COLOURS, "#555555")
MARKERS = "osD^vP<"
_LOWEST = -0.1  # end of the axis; an advantage below zero counts as none
_LEAKAGES = ("completion", "gradient", "clustering")
_QUANTITIES = {
  "utility": "main task",
  "completion": "leak: completion",
  "gradient": "leak: gradients",
  "clustering": "leak: clustering",
  "exposed": "features exposed",
}


def pareto(frame: pd.DataFrame) -> figures.Figure | None:
  """Draw leakage over utility: a panel per data set and kind of defence.

  Each defence has a curve. Hollow markers are at the reference cut, filled ones
  at the most advanced cut of the study. Leakage below the axis is drawn at its
  end.
  """
  far = frame["advance"].max()
  others = set(frame["defense"]) - {"none", *sum(GROUPS.values(), ())}
  groups = {**GROUPS, **({"own": tuple(sorted(others))} if others else {})}
  groups = {
    name: [d for d in members if d in set(frame["defense"])]
    for name, members in groups.items()
  }
  groups = {name: members for name, members in groups.items() if members}
  if not far or not groups:
    return None
  data = list(dict.fromkeys(frame["data"]))
  figure, axes = style.subplots(
    len(groups),
    len(data),
    sharey="col",
    squeeze=False,
    figsize=(3.6 * len(data) + 1.4, 2.7 * len(groups)),
  )
  for i, (group, members) in enumerate(groups.items()):
    line = axes[i]
    for axis, name in zip(line, data, strict=True):
      data_cells = frame[frame["data"] == name]
      axis.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
      for k, defense in enumerate(["none", *members]):
        defense_cells = data_cells[data_cells["defense"] == defense]
        colour = "#000000" if defense == "none" else COLOURS[(k - 1) % 7]
        marker = "*" if defense == "none" else MARKERS[(k - 1) % 7]
        for advance, face in ((0, "white"), (far, colour)):
          points = defense_cells[defense_cells["advance"] == advance]
          axis.plot(
            points["utility"],
            points["leakage"].clip(lower=_LOWEST),
            color=colour,
            marker=marker,
            markerfacecolor=face,
            markersize=10 if defense == "none" else 5,
            linewidth=0.9,
            linestyle="-" if advance else "--",
            label=defense if advance else None,
            zorder=3 if defense == "none" else 2,
          )
      if i == 0:
        axis.set_title(name.replace("_", " "))
      if i == len(groups) - 1:
        axis.set_xlabel(
          f"test {data_cells['metric'].iloc[0].replace('_', ' ')}"
        )
    line[0].set_ylabel(f"{group}\n\nleakage advantage")
    handles = {
      label: handle
      for axis in line
      for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    line[-1].legend(
      handles.values(), handles, loc="center left", bbox_to_anchor=(1.02, 0.5)
    )
  figure.tight_layout()
  return figure


def cut_alone(frame: pd.DataFrame) -> figures.Figure | None:
  """Draw what advancing the cut does to a model without another defence."""
  frame = frame[frame["defense"] == "none"]
  if frame["advance"].nunique() < 2:
    return None
  shown = {k: v for k, v in _QUANTITIES.items() if frame[k].notna().any()}
  figure, axes = style.subplots(
    1, len(shown), squeeze=False, figsize=(2.3 * len(shown), 2.8)
  )
  leaks = [axis for axis, k in zip(axes.flat, shown) if k in _LEAKAGES]
  for axis in leaks[1:]:
    axis.sharey(leaks[0])
  for axis, (quantity, title) in zip(axes.flat, shown.items()):
    for k, (name, data_cells) in enumerate(frame.groupby("data", sort=False)):
      data_cells = data_cells.sort_values("advance")
      axis.plot(
        data_cells["advance"],
        data_cells[quantity],
        color=style.COLOURS[k],
        marker=MARKERS[k],
        markersize=4,
        label=str(name).replace("_", " "),
      )
    if axis in leaks:
      axis.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    axis.set_title(title)
    axis.set_xlabel("stages advanced")
    axis.set_xticks(sorted(frame["advance"].unique()))
  style.legend_above(figure, axes[0, 0])
  return figure
