"""Paired comparisons of the cells of a study, as numbers and as sentences."""

from typing import Any

import pandas as pd

from vfl_jax.results import intervals
from vfl_jax.results.answers import chance

CELL = ["data", "defense", "strength", "advance"]
# a loss below this counts as none; shares of samples, like accuracy
MARGINS = {"utility": 0.02, "leakage": 0.05}


def verdict(better: pd.Series, worse: pd.Series) -> dict[str, Any]:
  """Compare two cells by paired differences over seeds.

  A mean leakage advantage below zero counts as zero, since that attacker does
  better without the federation. Means are raised to zero, not single seeds:
  that would make noise look like leakage.

  Args:
    better: the cell in question, a row of `cells.measured`.
    worse: the cell that it is compared with.

  Returns:
    utility and leakage: mean differences over the seeds that both cells have,
    with their 95 % intervals (suffixes "_low" and "_high"). verdict:
    "dominates" if the cell is significantly better in one of the two and, by
    the whole interval, worse by less than the margin in the other; "dominated"
    for the reverse; "trade-off" if it is significantly better in one and
    significantly worse in the other; else "not told apart".
  """
  comparison: dict[str, Any] = {}
  gains, losses = {}, {}
  for name, column in (("utility", "utilities"), ("leakage", "leakages")):
    a, b = better[column], worse[column]
    if name == "leakage":
      a, b = (leaks + max(0.0, -leaks.mean()) for leaks in (a, b))
    difference = (a - b).dropna()  # by seed
    mean, low, high = intervals.interval(difference.tolist())
    comparison |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    if name == "leakage":  # less is better
      low, high = -high, -low
    gains[name], losses[name] = (low, -low), (-high, high)
  comparison["verdict"] = _judged(gains, losses)
  return comparison


def _judged(gains, losses):
  """The verdict, from both directions.

  Args:
    gains: for each quantity the least gain and the largest loss that the
      interval allows.
    losses: the same for the other direction.
  """

  def wins(sides):
    return [name for name, (least, _) in sides.items() if least > 0]

  def holds(sides):
    return all(lost < MARGINS[name] for name, (_, lost) in sides.items())

  won, lost = wins(gains), wins(losses)
  if won and lost:
    return "trade-off"
  if won and holds(gains):
    return "dominates"
  if lost and holds(losses):
    return "dominated"
  return "not told apart"


def advances(cells: pd.DataFrame) -> list[dict[str, Any]]:
  """Compare an advanced cut with every defence, alone and combined.

  Args:
    cells: cells as `cells.measured` gives them.

  Returns:
    Rows: question, data, defense, strength, advance, the differences and the
    verdict of `verdict`, and exposed, the difference in features exposed. The
    questions are "instead" (the undefended model with the cut advanced against
    a defence at the reference cut), "on top" (a defence with the cut advanced
    against the same defence at the reference cut) and "alone" (the undefended
    model with the cut advanced against the same at the reference cut).
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


def by_chance(
  cells: pd.DataFrame, steps: pd.DataFrame
) -> dict[tuple[str, str], int]:
  """How many comparisons of a question would be won if all cells were equal.

  Args:
    cells: cells as `cells.measured` gives them.
    steps: comparisons as `advances` gives them.

  Returns:
    The 95th percentile (see `chance.most`), by question and data, of the
    comparisons with the cut advanced the farthest.
  """
  values = {}
  for _, rows in cells.groupby("data"):
    seen = {}
    for _, row in rows.iterrows():
      both = pd.concat([row["utilities"], row["leakages"]], axis=1)
      seen[tuple(row[k] for k in CELL)] = both.to_numpy().T
    usual = max(v.shape[1] for v in seen.values())
    values |= {
      key: v
      for key, v in seen.items()
      if v.shape[1] == usual > 1 and not pd.isna(v).any()
    }
  expected = {}
  for (question, data), asked in steps.groupby(["question", "data"]):
    pairs = []
    for _, step in asked[asked["advance"] == asked["advance"].max()].iterrows():
      moved = "none" if question == "instead" else step["defense"]
      strength = "" if question == "instead" else step["strength"]
      pairs.append(
        (
          (data, moved, strength, step["advance"]),
          (data, step["defense"], step["strength"], 0),
        )
      )
    pairs = [p for p in pairs if p[0] in values and p[1] in values]
    keys = {key for pair in pairs for key in pair}
    if pairs:
      expected[question, data] = chance.most(
        pairs,
        {key: values[key] for key in sorted(keys, key=str)},
        [MARGINS[name] for name in ("utility", "leakage")],
      )
  return expected


def findings(
  cells: pd.DataFrame, steps: pd.DataFrame, failed: pd.DataFrame
) -> list[dict[str, str]]:
  """Answers to the study's questions, as sentences with their numbers.

  Args:
    cells: cells as `cells.measured` gives them.
    steps: comparisons as `advances` gives them.
    failed: cells without a result; may be empty.
  """
  if steps.empty:
    return []
  sentences = []
  for data, undefended in cells[cells["defense"] == "none"].groupby(
    "data", sort=False
  ):
    sentences += _alone(str(data), undefended, steps)
  expected = by_chance(cells, steps)
  for question, name in (
    ("instead", "Does advancing the cut dominate other defences"),
    ("on top", "Does advancing the cut improve other defences"),
  ):
    asked = steps[steps["question"] == question]
    for data, comparisons in asked.groupby("data", sort=False):
      text, detail = _answer(f"{name} on {_plain(data)}", comparisons)
      if (question, data) in expected:
        lucky = expected[question, data]
        detail += (
          f"; if all were equal, up to {lucky} would look better by chance"
        )
      far = comparisons["advance"].max() if question == "on top" else 0
      gone = _failed(failed, data, {0, far})
      if gone:
        detail += f"; not compared, for they came to no result: {gone}"
      sentences.append((text, detail))
  return [{"text": text, "detail": detail} for text, detail in sentences]


def _alone(data, undefended, steps):
  undefended = undefended.sort_values("advance")
  before, after = undefended.iloc[0], undefended.iloc[-1]
  if before["advance"] or not after["advance"]:
    return []
  step = steps[
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
      f"{_interval(step, 'utility')} and the largest leakage advantage by "
      f"{_interval(step, 'leakage')}; by means the "
      f"{before['exposed']:.0%} of the features' variance that the active "
      f"party can rebuild become {after['exposed']:.0%}",
      f"leakage advantage by kind of attack: {', '.join(kinds)}",
    )
  ]


def _failed(failed, data, advances):
  """Names of a data set's defences that failed at one of these advances."""
  if failed.empty:
    return ""
  lost = failed[(failed["data"] == data) & failed["advance"].isin(advances)]
  names = lost["defense"].str.cat(lost["strength"].fillna("").astype(str), " ")
  return ", ".join(dict.fromkeys(names.map(_plain)))


def _answer(question, comparisons):
  """How often the answer is yes, with the cut advanced the farthest."""
  shares = {
    int(advance): at_advance["verdict"].value_counts(normalize=True).to_dict()
    for advance, at_advance in comparisons.groupby("advance")
  }
  far = max(shares)
  farthest, share = comparisons[comparisons["advance"] == far], shares.pop(far)
  won, lost = (share.get(k, 0.0) for k in ("dominates", "dominated"))
  if farthest["utility_low"].isna().all():
    return f"{question}? One seed cannot tell", f"{len(farthest)} comparisons"
  answer = (
    "Mostly yes" if won > 0.5 else "Mostly no" if lost > 0.5 else "Not clearly"
  )
  less = [
    f"{advance}: {s.get('dominates', 0):.0%} and {s.get('dominated', 0):.0%}"
    for advance, s in shares.items()
  ]
  return (
    f"{question}? {answer}: {far} stages forward it is better in {won:.0%} of "
    f"{len(farthest)} comparisons, worse in {lost:.0%}, and trades one for "
    f"the other in {share.get('trade-off', 0.0):.0%}",
    "the others are not told apart; in the median utility "
    f"{farthest['utility'].median():+.3f}, leakage advantage "
    f"{farthest['leakage'].median():+.3f}, features exposed "
    f"{farthest['exposed'].median():+.2f}"
    + (f"; by fewer stages, {', '.join(less)}" if less else ""),
  )


def _interval(row, name):
  mean, low, high = (row[name + end] for end in ("", "_low", "_high"))
  if low != low:
    return f"{mean:+.3f} (one seed)"
  return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _plain(name):
  return str(name).replace("_", " ")
