"""One cell of a study against another: seed by seed, and in sentences."""

from typing import Any

import pandas as pd

from vfl_jax import evaluate

CELL = ["data", "defense", "strength", "advance"]


def verdict(better: pd.Series, worse: pd.Series) -> dict[str, Any]:
  """One cell against another, by paired differences over seeds.

  Args:
    better: the cell that is asked about, a row of `measured`.
    worse: the one it is held against.

  Returns:
    utility and leakage, the differences, with their 95 % intervals, and the
    verdict: "dominates" if one is told apart to the better and none to the
    worse, "dominated" for the reverse, "trade-off" if one is told apart to the
    better and one to the worse, else "not told apart". Of two leakages below
    zero none is the better: either attacker does without the federation.
  """
  found: dict[str, Any] = {}
  signs = []
  for name, sign in (("utility", 1), ("leakage", -1)):
    column = {"utility": "utilities", "leakage": "leakages"}[name]
    a, b = better[column], worse[column]
    n = min(len(a), len(b))
    mean, low, high = evaluate.interval((a[:n] - b[:n]).tolist())
    found |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    sure = int(low > 0) - int(high < 0)
    if name == "leakage" and max(better[name], worse[name]) <= 0:
      sure = 0
    signs.append(sign * sure)
  found["verdict"] = {
    (True, False): "dominates",
    (False, True): "dominated",
    (True, True): "trade-off",
    (False, False): "not told apart",
  }[max(signs) > 0, min(signs) < 0]
  return found


def advances(cells: pd.DataFrame) -> list[dict[str, Any]]:
  """The cut instead of every defence, and on top of every defence.

  Returns:
    Rows: question ("instead": advancing the cut of the undefended model
    against a defence at the reference cut; "on top": a defence with the cut
    advanced against the same without; "alone": the undefended model with the
    cut advanced against the same without), data, defense, strength, advance,
    the differences and verdict of `verdict`, and that in features exposed.
  """
  index = {tuple(row[k] for k in CELL): row for _, row in cells.iterrows()}
  rows = []
  for (data, defense, strength, advance), row in index.items():
    asked = []
    if advance:
      question = "alone" if defense == "none" else "on top"
      asked.append((question, row, index.get((data, defense, strength, 0))))
    elif defense != "none":
      asked += [
        ("instead", moved, row)
        for (name, other, _, far), moved in index.items()
        if name == data and other == "none" and far
      ]
    for question, cell, against in asked:
      if against is None:
        continue
      rows.append(
        {
          "question": question,
          "data": data,
          "defense": defense,
          "strength": strength,
          "advance": cell["advance"],
          **verdict(cell, against),
          "exposed": cell["exposed"] - against["exposed"],
        }
      )
  return rows


def findings(cells: pd.DataFrame, steps: pd.DataFrame) -> list[dict[str, str]]:
  """The study's questions, answered in numbers, against the paper too."""
  if steps.empty:
    return []
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
  return [{"text": text, "detail": detail} for text, detail in said]


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
    "Mostly yes" if won > 0.5 else "Mostly no" if lost > 0.5 else "Not clearly"
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


def _plain(name):
  return str(name).replace("_", " ")
