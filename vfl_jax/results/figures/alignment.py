"""Figure of what attacks find, by what a party's class says of the label."""

from matplotlib import figure as figures
import pandas as pd

from vfl_jax.results.figures import style

_SCORES = {"score": "passive completion", "control": "its strongest control"}
_GREY = "by the other party"


def alignment(frame: pd.DataFrame) -> figures.Figure:
  """Draw scores of passive completion (above) and advantages (below).

  Both are of party 0, whose class says more of the label from left to right;
  advantages of the other party, whose class says nothing, are grey. Above are
  test rows; below also training rows, dashed. Attacks that have no test rows
  are left out.
  """
  data = list(dict.fromkeys(frame["data"]))
  figure, axes = style.subplots(
    2,
    len(data),
    sharex=True,
    sharey="row",
    squeeze=False,
    figsize=(2.9 * len(data) + 2.8, 5.2),
  )
  attacks = list(dict.fromkeys(frame.loc[frame["rows"] == "test", "attack"]))
  for k, name in enumerate(data):
    rows = frame[frame["data"] == name].sort_values("told")
    above, below = axes[:, k]
    above.set_title(str(name).replace("_", " "))
    _scores(above, rows)
    for number, attack in enumerate(attacks):
      _advantages(below, rows[rows["attack"] == attack], number)
    below.axhline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    below.set_xlabel("class of party 0 says (of H(Y))")
  axes[0, 0].set_ylabel("score, test rows")
  axes[1, 0].set_ylabel("leakage advantage")
  figure.tight_layout(rect=(0, 0, 1 - 2.7 / figure.get_figwidth(), 1))
  for axis in axes[:, -1]:
    handles = dict(
      zip(*reversed(axis.get_legend_handles_labels()), strict=True)
    )
    axis.legend(
      handles.values(), handles, loc="upper left", bbox_to_anchor=(1.02, 1)
    )
  return figure


def _scores(axis, rows):
  """The main task, and passive completion beside its strongest control."""
  task = rows.drop_duplicates("strength")
  axis.plot(
    task["told"], task["utility"], color=style.GREY, ls="--", label="main task"
  )
  shown = rows[
    (rows["attack"] == "passive_completion")
    & (rows["rows"] == "test")
    & (rows["party"] == "0")
  ]
  for (column, label), colour, marker in zip(
    _SCORES.items(), style.COLOURS[1::-1], "os", strict=True
  ):
    axis.plot(
      shown["told"],
      shown[column],
      color=colour,
      marker=marker,
      markersize=4,
      label=label,
    )


def _advantages(axis, rows, number):
  """Of one attack, by party and kind of rows."""
  for (party, where), line in rows.groupby(["party", "rows"]):
    told = party == "0"
    attack = str(line["attack"].iloc[0]).replace("_", " ")
    axis.errorbar(
      line["told"],
      line["advantage"],
      (line["advantage_high"] - line["advantage_low"]) / 2,
      color=style.COLOURS[number + 1] if told else style.GREY,
      marker="os^Dv"[number % 5],
      markersize=4,
      linestyle="-" if where == "test" else "--",
      linewidth=1.2 if told else 0.7,
      label=f"{attack}, {where} rows" if told else _GREY,
    )
