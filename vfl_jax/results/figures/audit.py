"""Figures of the options of an audit, and of what either side loses."""

from matplotlib import figure as figures
from matplotlib import ticker
import pandas as pd

from vfl_jax.results.figures import style

_MARKERS = "osD^vP<"


def options(frame: pd.DataFrame) -> figures.Figure:
  """Draw leakage over the test score of the main task, a point per option.

  Numbers are cuts, the ring is the reference and the star the chosen option.
  """
  figure, axis = style.subplots(figsize=(7.2, 4.2))
  axis.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
  for k, (defense, by_cut) in enumerate(frame.groupby("defense", sort=False)):
    by_cut = by_cut.sort_values("cut")
    colour = style.COLOURS[k % len(style.COLOURS)]
    axis.errorbar(
      by_cut["test_mean"],
      by_cut["leak"],
      xerr=_bars(by_cut, "test_mean", "test_low", "test_high"),
      yerr=_bars(by_cut, "leak", "leak_low", "leak_high"),
      color=colour,
      marker=_MARKERS[k % len(_MARKERS)],
      markersize=5,
      linestyle="none",
      elinewidth=0.7,
      alpha=0.9,
      label="no defence" if defense == "none" else str(defense),
    )
    for _, row in by_cut.iterrows():
      axis.annotate(
        f"{row['cut']}",
        (row["test_mean"], row["leak"]),
        xytext=(5, 4),
        textcoords="offset points",
        color=colour,
        fontsize=8,
      )
  for column, marker, size in (("reference", "o", 13), ("chosen", "*", 19)):
    marked = frame[frame[column]]
    axis.plot(
      marked["test_mean"],
      marked["leak"],
      marker=marker,
      markersize=size,
      markerfacecolor="none",
      markeredgecolor=style.INK,
      linestyle="none",
      label=column,
    )
  axis.set_xlabel(f"test {str(frame['metric'].iloc[0]).replace('_', ' ')}")
  axis.set_ylabel("share of the labels that leaks")
  style.legend_above(figure, axis)
  return figure


def sides(frame: pd.DataFrame) -> figures.Figure | None:
  """Draw leakage of labels and exposure of features by cut, undefended."""
  undefended = frame[frame["defense"] == "none"].sort_values("cut")
  if len(undefended) < 2:
    return None
  figure, axis = style.subplots(figsize=(7.2, 3.2))
  for colour, marker, quantity, label in (
    (style.COLOURS[1], "o", "leak", "labels: share that leaks"),
    (style.COLOURS[0], "s", "exposed", "features: share exposed"),
  ):
    axis.plot(
      undefended["cut"],
      undefended[quantity],
      color=colour,
      marker=marker,
      label=label,
    )
  axis.fill_between(
    undefended["cut"],
    undefended["leak_low"],
    undefended["leak_high"],
    color=style.COLOURS[1],
    alpha=0.15,
    linewidth=0,
  )
  axis.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
  axis.set_xlabel("cut: stages at the passive parties")
  axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  style.legend_above(figure, axis)
  return figure


def _bars(frame, middle, low, high):
  """Distances from the mean to the ends of its interval; 0 without one."""
  ends = frame[middle] - frame[low], frame[high] - frame[middle]
  return [end.fillna(0).clip(lower=0) for end in ends]
