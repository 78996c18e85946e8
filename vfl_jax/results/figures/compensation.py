"""Figure of whether bottoms or top do the work, by the cut."""

from matplotlib import figure as figures
from matplotlib import ticker
import pandas as pd

from vfl_jax.results.figures import style

_ACCURACY = {
  "federation": "federation",
  "random": "top on random bottoms",
  "fresh": "fresh top on trained bottoms",
  "central": "central twin",
}
_PROBES = {
  "probe": "a party's embedding",
  "untrained": "that of a random bottom",
  "joint": "all embeddings",
  "central_probe": "central twin",
}


def compensated(frame: pd.DataFrame) -> figures.Figure:
  """Draw test accuracy (above) and linear probes at the cut (below)."""
  data = list(dict.fromkeys(frame["data"]))
  figure, axes = style.subplots(
    2,
    len(data),
    sharex="col",
    sharey="row",
    squeeze=False,
    figsize=(2.6 * len(data) + 2.6, 5.0),
  )
  for k, name in enumerate(data):
    by_cut = frame[frame["data"] == name].sort_values("cut")
    for axis, shown in zip(axes[:, k], (_ACCURACY, _PROBES), strict=True):
      for colour, marker, (key, label) in zip(
        style.COLOURS, "osD^", shown.items()
      ):
        axis.plot(
          by_cut["cut"],
          by_cut[key],
          color=colour,
          marker=marker,
          markersize=3.5,
          label=label,
        )
        axis.fill_between(
          by_cut["cut"],
          by_cut[f"{key}_low"],
          by_cut[f"{key}_high"],
          color=colour,
          alpha=0.15,
          linewidth=0,
        )
    axes[0, k].axhline(
      by_cut["prior"].iloc[0], color=style.GREY, linewidth=0.8, linestyle=":"
    )
    axes[0, k].set_title(str(name).replace("_", " "))
    axes[1, k].set_xlabel("cut")
    axes[1, k].xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes[0, 0].set_ylabel("test accuracy")
  axes[1, 0].set_ylabel("usable information, of H(Y)")
  for line in axes:
    line[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
  figure.tight_layout()
  return figure
