"""Figure of what attacks find, by what a party's class says of the label."""

from matplotlib import figure as figures
import pandas as pd

from vfl_jax.results.figures import style

_SCORES = {"score": "passive completion", "control": "its strongest control"}


def alignment(frame: pd.DataFrame) -> figures.Figure:
  """Draw scores of passive completion (above) and all advantages (below).

  Both are of party 0, whose class says more of the label from left to right;
  advantages of the other party, whose class says nothing, are grey. Test rows,
  training rows where an attack has no others.
  """
  data = list(dict.fromkeys(frame["data"]))
  figure, axes = style.subplots(
    2,
    len(data),
    sharex=True,
    sharey="row",
    squeeze=False,
    figsize=(2.6 * len(data) + 0.8, 5.2),
  )
  tested = frame[frame["rows"] == "test"]
  rest = frame[~frame["attack"].isin(set(tested["attack"]))]
  frame = pd.concat([tested, rest])
  attacks = list(dict.fromkeys(frame["attack"]))
  for k, name in enumerate(data):
    rows = frame[frame["data"] == name].sort_values("told")
    first = rows[rows["party"] == "0"]
    above, below = axes[:, k]
    above.set_title(str(name).replace("_", " "))
    task = rows.drop_duplicates("strength")
    above.plot(
      task["told"],
      task["utility"],
      color=style.GREY,
      ls="--",
      label="main task",
    )
    completion = first[first["attack"] == "passive_completion"]
    for (column, label), marker in zip(_SCORES.items(), "os", strict=True):
      above.plot(
        completion["told"],
        completion[column],
        color=style.COLOURS[marker == "s"],
        marker=marker,
        markersize=4,
        label=label,
      )
    for number, attack in enumerate(attacks):
      for party, lines in rows[rows["attack"] == attack].groupby("party"):
        colour = style.COLOURS[number % len(style.COLOURS)]
        told = party == "0"
        below.errorbar(
          lines["told"] + 0.012 * (number - len(attacks) / 2),
          lines["advantage"],
          (lines["advantage_high"] - lines["advantage_low"]) / 2,
          color=colour if told else style.GREY,
          marker="os^Dv"[number % 5],
          markersize=4,
          linewidth=1 if told else 0.6,
          label=attack.replace("_", " ") if told else "the other party",
        )
    below.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    below.set_xlabel("class of party 0 says (of H(Y))")
  axes[0, 0].set_ylabel("score")
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
    ncols=min(len(handles), 4),
    bbox_to_anchor=(0.5, 1),
  )
  figure.tight_layout(rect=(0, 0, 1, 0.88))
  return figure
