"""Figure of attack scores against alignment, by task."""

from matplotlib import figure as figures
import pandas as pd

from vfl_jax.results.figures import style

_MARKERS = {
  "identity": "*",
  "permute": "P",
  "merge": "s",
  "split": "D",
  "mix": "o",
  "cross": "X",
}


def reassignment(frame: pd.DataFrame) -> figures.Figure:
  """Draw the score and the advantage of the strongest attack, by data set.

  The horizontal axis is the score of few labels on the features alone, above
  the prior.
  """
  data = list(dict.fromkeys(frame["data"]))
  figure, axes = style.subplots(
    2,
    len(data),
    sharex="col",
    sharey="row",
    squeeze=False,
    figsize=(2.3 * len(data) + 0.6, 5.2),
  )
  for k, name in enumerate(data):
    tasks = frame[frame["data"] == name]
    above, gain = axes[:, k]
    above.set_title(name.replace("_", " "))
    for row in tasks.to_dict("records"):
      kind = str(row["task"]).split()[0]
      marker = _MARKERS.get(kind, "v")
      colours = [*_MARKERS]
      colour = (
        style.COLOURS[colours.index(kind) % len(style.COLOURS)]
        if kind in _MARKERS
        else style.GREY
      )
      looks = {
        "color": colour,
        "marker": marker,
        "linestyle": "none",
        "markersize": 9 if marker == "*" else 6,
        "label": kind,
      }
      few = row["few_labels"]
      above.plot(few, row["embeddings_score"] - row["prior"], **looks)
      middle = row["embeddings_advantage"]
      if row["embeddings_low"] == row["embeddings_low"]:
        gain.plot(
          [few, few],
          [row["embeddings_low"], row["embeddings_high"]],
          color=colour,
          linewidth=1,
        )
      gain.plot(few, middle, **looks)
    gain.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    above.axline((0, 0), slope=1, color=style.GREY, linewidth=0.8, ls=":")
    gain.set_xlabel("few labels, above prior")
  axes[0, 0].set_ylabel("strongest attack, above prior")
  axes[1, 0].set_ylabel("leakage advantage")
  handles = {
    label: handle
    for axis in axes.flat
    for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
  }
  figure.legend(
    handles.values(),
    handles,
    loc="upper center",
    ncols=len(handles),
    bbox_to_anchor=(0.5, 1),
  )
  figure.tight_layout(rect=(0, 0, 1, 0.94))
  return figure
