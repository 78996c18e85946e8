"""What the report of a study of defences shows."""

import pathlib
from typing import Any

import pandas as pd

from vfl_jax.results import tables

VERDICTS = ("dominates", "trade-off", "not told apart", "dominated")
_QUESTIONS = {
  "instead": "instead of a defence",
  "on top": "on top of a defence",
}


def contents(workdir: pathlib.Path) -> dict[str, Any]:
  """The variables of question_tradeoff.html, from the files of a workdir."""
  cells = tables.read(workdir, "tradeoff")
  cells["strength"] = cells["strength"].fillna("")
  steps = tables.read(workdir, "advances")
  if steps.empty:
    steps = pd.DataFrame(columns=["question", "data", "advance", "verdict"])
  return {
    "cells": {
      data: data_cells.sort_values(["defense", "strength", "advance"]).to_dict(
        "records"
      )
      for data, data_cells in cells.groupby("data", sort=False)
    },
    "fronts": {
      data: front(data_cells).to_dict("records")
      for data, data_cells in cells.groupby("data", sort=False)
    },
    "alone": _rows(steps, "alone"),
    "counts": counts(steps).to_dict("records"),
    "verdicts": VERDICTS,
    "caveat": "Leakage is the largest advantage of up to "
    f"{int(cells['attacks'].max())} attacks over their strongest control, on "
    "training rows. The largest of several uncertain numbers is too large by "
    "chance; its interval is that of the attack it belongs to. Comparisons are "
    "paired by seed; where nothing differs, about one in ten is still won or "
    "lost, for each has two quantities with 95 % intervals. Those "
    "of the cut instead of a defence share an experiment: they err together.",
    "margins": tables.read(workdir, "margins").iloc[0].to_dict(),
  }


def front(cells: pd.DataFrame) -> pd.DataFrame:
  """The cells of one data set on the Pareto front of utility and leakage.

  A cell beats another that has no more utility and no less leakage, unless both
  are equal. Means are compared, and advantages below zero count as zero.
  """
  leaks = cells["leakage"].clip(lower=0)
  kept = []
  for utility, leak in zip(cells["utility"], leaks, strict=True):
    better = (cells["utility"] >= utility) & (leaks <= leak)
    equal = (cells["utility"] == utility) & (leaks == leak)
    kept.append(bool(equal[better].all()))
  return cells[kept].sort_values("utility", ascending=False)


def counts(steps: pd.DataFrame) -> pd.DataFrame:
  """Numbers of verdicts by question, data set and stages advanced."""
  rows = []
  asked = steps[steps["question"].isin(list(_QUESTIONS))]
  for (question, data, advance), comparisons in asked.groupby(
    ["question", "data", "advance"], sort=False
  ):
    rows.append(
      {
        "question": _QUESTIONS[str(question)],
        "data": data,
        "advance": advance,
        "n": len(comparisons),
        **{v: int((comparisons["verdict"] == v).sum()) for v in VERDICTS},
        **{
          k: comparisons[k].median() for k in ("utility", "leakage", "exposed")
        },
      }
    )
  table = pd.DataFrame(rows)
  if table.empty:
    return table
  return table.sort_values(["question", "data", "advance"], ignore_index=True)


def _rows(steps, question):
  return steps[steps["question"] == question].to_dict("records")
