"""What attacks find as one party's features say more and more of the label.

Cells are labelled by data and the strength of a crossed task: the share of the
rows in which the label is the class that party 0 holds. The other party's
class says nothing of the label at any strength: nothing may be found from it.
"""

import os
from typing import Any

import numpy as np
import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results.answers import cells
from vfl_jax.results import intervals
from vfl_jax.results import tables

CELL = ["data", "strength"]
TOLD = "0"  # the party whose class the label is
MAIN = "passive_completion", "test"  # the attack and rows of the first sentence
_WHAT = ["data", "attack", "party", "rows"]
SLOPES = [
  *_WHAT,
  *(
    "slope",
    "slope_low",
    "slope_high",
    "score_slope",
    "control_slope",
    "seeds",
    "of",
  ),
]


def read(workdir: str | os.PathLike[str]) -> None:
  """Write the tables "aligned", "slopes" and "findings" of a study."""
  names = ("main", "attacks", "alignment")
  parts = {n: tables.read(workdir, f"all_{n}") for n in names}
  parts = {n: f.astype({"strength": float}) for n, f in parts.items()}
  rows = measured(**parts)
  changes = slopes(pd.DataFrame(rows), parts["attacks"])
  tables.write(workdir, "aligned", rows)
  tables.write(workdir, "slopes", changes)
  lines = pd.DataFrame(changes, columns=SLOPES)
  found = findings(pd.DataFrame(rows), lines)
  tables.write(workdir, "findings", found)


def measured(
  main: pd.DataFrame, attacks: pd.DataFrame, alignment: pd.DataFrame
) -> list[dict[str, Any]]:
  """One row for each cell, attack, party and kind of rows.

  All tables have the columns of `CELL`.

  Args:
    main: scores of the main task.
    attacks: the scores that advantages come from.
    alignment: rows as `evaluation.alignment` gives them.

  Returns:
    Rows with these columns:
    - metric; utility with its interval, on test rows.
    - ceiling: score that a sum of the parties' classifiers allows.
    - information: mutual information of the party's class and the label, as a
      share of H(Y); told: that of party 0.
    - attack, party, rows; score and control, means over all trials.
    - advantage with its interval, of this row alone; seeds.
  """
  rows = []
  utilities = main[(main["rows"] == "test") & main["primary"]]
  for cell, utility in utilities.groupby(CELL):
    key = dict(zip(CELL, cell, strict=True))
    of_cell = lambda f, cell=cell: f[(f[CELL] == list(cell)).all(axis=1)]
    known = of_cell(alignment).groupby(["quantity", "party"])["value"].mean()
    information = known["class information"]
    task = cells.main_task(utility)
    del task["utilities"]
    shared = {
      "ceiling": known["ceiling"].iloc[0],
      "told": information[TOLD],
    }
    scores = of_cell(attacks)
    scores = scores[scores["primary"]]
    for (attack, party, where), group in scores.groupby(_WHAT[1:]):
      if "attack" not in set(group["what"]) or advantage.is_oracle(attack):
        continue
      table, control, gains = advantage.gains(group.dropna(subset=["value"]))
      if gains.empty:
        continue
      mean, low, high = intervals.interval(gains.tolist())
      rows.append(
        {
          **key,
          **task,
          **shared,
          "information": information[party],
          **dict(zip(_WHAT[1:], (attack, party, where), strict=True)),
          "score": table["attack"].mean(),
          "control": table[control].mean(),
          "advantage": mean,
          "advantage_low": low,
          "advantage_high": high,
          "seeds": len(gains),
        }
      )
  return rows


def slopes(
  aligned: pd.DataFrame, attacks: pd.DataFrame
) -> list[dict[str, Any]]:
  """How the advantage changes from no information of party 0 to all of H(Y).

  A line is fitted through the advantages of each seed over the strengths; the
  interval of its slope is over seeds, and those of all rows of one data set
  hold at once.

  Args:
    aligned: rows as `measured` gives them.
    attacks: as for `measured`.

  Returns:
    Rows for each data set, attack, party and kind of rows with the columns of
    `SLOPES`: slope with its interval, score_slope and control_slope (of the
    means), seeds, and "of", the number of intervals that hold at once.
  """
  found: list[dict[str, Any]] = []
  scores = attacks[attacks["primary"]]
  for what, rows in aligned.groupby(_WHAT, sort=False):
    if rows["strength"].nunique() < 2:
      continue
    rows = rows.sort_values("strength")
    per_seed = {}
    for strength in rows["strength"]:
      cell = scores[
        (scores[_WHAT] == list(what)).all(axis=1)
        & (scores["strength"] == strength)
      ]
      *_, per_seed[strength] = advantage.gains(cell.dropna(subset=["value"]))
    gains = pd.DataFrame(per_seed).dropna()
    if gains.empty:
      continue
    x = rows["told"].to_numpy()
    line = lambda y, x=x: float(np.polyfit(x, np.asarray(y), 1)[0])
    each = [line(y) for y in gains.to_numpy()]
    mean, low, high = intervals.interval(each)
    found.append(
      {
        **dict(zip(_WHAT, what, strict=True)),
        "slope": mean,
        "slope_low": low,
        "slope_high": high,
        "score_slope": line(rows["score"]),
        "control_slope": line(rows["control"]),
        "seeds": len(gains),
      }
    )
  counts = pd.Series([r["data"] for r in found], dtype=object).value_counts()
  for row in found:
    row["of"] = int(counts[row["data"]])
    if row["seeds"] > 1:
      half = (row["slope_high"] - row["slope_low"]) / 2
      half *= intervals.at_once(row["seeds"], row["of"])
      row["slope_low"] = row["slope"] - half
      row["slope_high"] = row["slope"] + half
  return found


def findings(
  aligned: pd.DataFrame, changes: pd.DataFrame
) -> list[dict[str, str]]:
  """Sentences on the paper's claim, two for each data set."""
  sentences = []
  for data, rows in aligned.groupby("data", sort=False):
    name = str(data).replace("_", " ")
    lines = changes[changes["data"] == data]
    told = lines[lines["party"] == TOLD].to_dict("records")
    main = [line for line in told if _key(line) == MAIN]
    others = [line for line in told if _key(line) != MAIN]
    sentences += [_grown(name, rows, line, others) for line in main]
    sentences.append(_nothing(name, rows[rows["party"] != TOLD]))
  return sentences


def _grown(name, rows, line, others):
  """The change of the main attack, and those of the others beside it."""
  first, last = rows["told"].min(), rows["told"].max()
  utilities = rows.groupby("strength")["utility"].first()
  named = [
    f"{r['attack'].replace('_', ' ')} on {r['rows']} rows {_between(r)}"
    for r in others
  ]
  return {
    "text": f"On {name}, party 0's class says {first:.2f} to {last:.2f} of the "
    f"label's H(Y). From none to all, the score of passive completion by party "
    f"0 on test rows changes by {line['score_slope']:+.3f}, that of its "
    f"strongest control by {line['control_slope']:+.3f}, and the advantage by "
    f"{_between(line)}: {_verdict(line)}",
    "detail": f"main task {utilities.min():.3f} to {utilities.max():.3f} over "
    "the strengths; advantages of the other attacks: "
    f"{'; '.join(named) or 'none'}; {line['of']} intervals hold at once",
  }


def _key(row):
  return row["attack"], row["rows"]


def _verdict(line):
  if line["slope_low"] != line["slope_low"]:
    return "one seed, no claim"
  if line["slope_low"] > 0:
    return "the federation adds more where features say more"
  if line["slope_high"] < 0:
    return "the federation adds less where features say more"
  return "no change of what the federation adds is shown"


def _nothing(name, others):
  """Attacks by a party whose class says nothing of the label."""
  shown = 0
  rows = others.dropna(subset=["advantage_low"]).to_dict("records")
  for row in rows:
    wider = intervals.at_once(row["seeds"], len(rows))
    half = wider * (row["advantage_high"] - row["advantage_low"]) / 2
    shown += row["advantage"] - half > 0
  known = others["information"].max()
  text = (
    f"On {name}, where a party's class says nothing of the label (at most "
    f"{known:.3f} of H(Y)), {shown} of {len(rows)} attacks are shown to find "
    "more than their control"
  )
  detail = ""
  if len(others):
    top = others.loc[others["advantage"].idxmax()]
    detail = (
      f"intervals that hold at once; the largest advantage is "
      f"{top['advantage']:+.3f}, of {top['attack'].replace('_', ' ')} on "
      f"{top['rows']} rows at strength {top['strength']:g}"
    )
  return {"text": text, "detail": detail}


def _between(row):
  if row["slope_low"] != row["slope_low"]:
    return f"{row['slope']:+.3f} (one seed)"
  low, high = row["slope_low"], row["slope_high"]
  return f"{row['slope']:+.3f} [{low:+.3f}, {high:+.3f}]"
