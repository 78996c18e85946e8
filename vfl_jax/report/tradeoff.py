"""What the report of a study of defences shows."""

import json
import pathlib
from typing import Any

import pandas as pd

from vfl_jax import tables

VERDICTS = ("dominates", "trade-off", "not told apart", "dominated")
_QUESTIONS = {
  "instead": "instead of a defence",
  "on top": "on top of a defence",
}


def contents(workdir: pathlib.Path, config: Any) -> dict[str, Any]:
  """What the template shows, all of it from files."""
  cells = tables.read(workdir, "tradeoff")
  cells["strength"] = cells["strength"].fillna("")
  steps = tables.read(workdir, "advances")
  if steps.empty:
    steps = pd.DataFrame(columns=["question", "data", "advance", "verdict"])
  failed = tables.read(workdir, "failed")
  return {
    "cells": {
      data: part.sort_values(["defense", "strength", "advance"]).to_dict(
        "records"
      )
      for data, part in cells.groupby("data", sort=False)
    },
    "fronts": {
      data: front(part).to_dict("records")
      for data, part in cells.groupby("data", sort=False)
    },
    "alone": _rows(steps, "alone"),
    "counts": counts(steps).to_dict("records"),
    "findings": findings(cells, steps),
    "failed": failed.to_dict("records"),
    "verdicts": VERDICTS,
    "about": {
      name: {
        "model": base["model"]["name"],
        "seeds": base["seeds"],
        "rows": base["data"]["train_size"],
        "aux": base["evaluate"]["aux_per_class"],
        "steps": base["evaluate"]["attack_steps"],
      }
      for name, base in config["bases"].items()
    },
    "bases_text": json.dumps(config["bases"], indent=1),
    "most": int(cells["attacks"].max()),
  }


def front(cells: pd.DataFrame) -> pd.DataFrame:
  """The cells of one data set that no other beats by its means.

  One beats another that has no more utility and no less leakage, and is not
  equal in both.
  """
  kept = []
  for row in cells.itertuples():
    better = cells[
      (cells["utility"] >= row.utility) & (cells["leakage"] <= row.leakage)
    ]
    ties = (better["utility"] == row.utility) & (
      better["leakage"] == row.leakage
    )
    kept.append(ties.all())
  return cells[kept].sort_values("utility", ascending=False)


def counts(steps: pd.DataFrame) -> pd.DataFrame:
  """Verdicts by question, data set and stages advanced."""
  rows = []
  asked = steps[steps["question"].isin(list(_QUESTIONS))]
  for (question, data, advance), part in asked.groupby(
    ["question", "data", "advance"], sort=False
  ):
    rows.append(
      {
        "question": _QUESTIONS[str(question)],
        "data": data,
        "advance": advance,
        "n": len(part),
        **{v: int((part["verdict"] == v).sum()) for v in VERDICTS},
        **{k: part[k].median() for k in ("utility", "leakage", "exposed")},
      }
    )
  found = pd.DataFrame(rows)
  if found.empty:
    return found
  return found.sort_values(["question", "data", "advance"], ignore_index=True)


def findings(cells: pd.DataFrame, steps: pd.DataFrame) -> list[tuple[str, str]]:
  """The study's questions, answered in numbers, against the paper too."""
  said = []
  for data, part in cells[cells["defense"] == "none"].groupby(
    "data", sort=False
  ):
    said += _alone(str(data), part, steps)
  for question, name in (
    ("instead", "Does advancing the cut dominate other defences"),
    ("on top", "Does advancing the cut improve other defences"),
  ):
    part = steps[steps["question"] == question]
    for data, own in part.groupby("data", sort=False):
      said.append(_answer(f"{name} on {_plain(data)}", own))
  return said


def _alone(data, part, steps):
  part = part.sort_values("advance")
  before, after = part.iloc[0], part.iloc[-1]
  if before["advance"] or not after["advance"]:
    return []
  own = steps[
    (steps["question"] == "alone")
    & (steps["data"] == data)
    & (steps["advance"] == after["advance"])
  ].iloc[0]
  kinds = [
    f"{k} {before[k]:+.3f} to {after[k]:+.3f}"
    for k in ("completion", "gradient", "clustering")
    if before[k] == before[k]
  ]
  return [
    (
      f"On {_plain(data)}, advancing the cut by {int(after['advance'])} "
      f"changes test {before['metric'].replace('_', ' ')} by "
      f"{_interval(own, 'utility')} and the largest leakage advantage by "
      f"{_interval(own, 'leakage')}; by means the "
      f"{before['exposed']:.0%} of the features' variance that the active "
      f"party can rebuild become {after['exposed']:.0%}",
      f"leakage advantage by kind of attack: {', '.join(kinds)}",
    )
  ]


def _answer(question, part):
  """How often it does, with the cut as far forward as it goes."""
  shares = {
    int(advance): own["verdict"].value_counts(normalize=True).to_dict()
    for advance, own in part.groupby("advance")
  }
  far = max(shares)
  own, share = part[part["advance"] == far], shares.pop(far)
  won, lost = (share.get(k, 0.0) for k in ("dominates", "dominated"))
  if own["utility_low"].isna().all():
    return f"{question}? One seed cannot tell", f"{len(own)} comparisons"
  answer = (
    "Mostly yes"
    if won > 0.5
    else "Rather yes"
    if won > lost
    else "Mostly no"
    if lost > 0.5
    else "No"
  )
  less = [
    f"{advance}: {s.get('dominates', 0):.0%} and {s.get('dominated', 0):.0%}"
    for advance, s in shares.items()
  ]
  return (
    f"{question}? {answer}: {far} stages forward it is better in {won:.0%} of "
    f"{len(own)} comparisons, worse in {lost:.0%}, and trades one for the "
    f"other in {share.get('trade-off', 0.0):.0%}",
    "the others are not told apart; in the median utility "
    f"{own['utility'].median():+.3f}, leakage advantage "
    f"{own['leakage'].median():+.3f}, features exposed "
    f"{own['exposed'].median():+.2f}"
    + (f"; by fewer stages, {', '.join(less)}" if less else ""),
  )


def _interval(row, name):
  mean, low, high = (row[name + end] for end in ("", "_low", "_high"))
  if low != low:
    return f"{mean:+.3f} (one seed)"
  return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _rows(steps, question):
  return steps[steps["question"] == question].to_dict("records")


def _plain(name):
  return str(name).replace("_", " ")
