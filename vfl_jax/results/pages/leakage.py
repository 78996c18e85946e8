"""What the report says about attacks, from tables alone."""

from typing import Any

import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results import intervals


def findings(leakage: pd.DataFrame) -> list[tuple[str, str]]:
  """Sentences on leakage; attacks with the same verdict share one."""
  sentences = []
  alike: dict[Any, list[Any]] = {}
  decisive = _decisive(leakage)
  for r in decisive:
    key = r["party"], advantage.verdict(r["low"], r["high"])
    alike.setdefault(key, []).append(r)
  for (party, words), rows in alike.items():
    both = [r["attack"] for r in rows]  # on training rows, on test rows
    total = [r["attack"] for r in decisive if r["party"] == party]
    names = ", ".join(
      dict.fromkeys(
        r["attack"].replace("_", " ")
        + (
          ""
          if both.count(r["attack"]) == total.count(r["attack"])
          else f" on {r['rows']} rows"
        )
        for r in rows
      )
    )
    numbers = "; ".join(
      f"{r['rows']} rows: {r['attack_score']:.3f} against "
      f"{r['control_score']:.3f} ({r['control']}), advantage "
      f"{r['advantage']:+.3f}"
      for r in rows
    )
    sentences.append((f"Party {party}, {names}: {words}", numbers))
  return sentences


def judged(leakage: pd.DataFrame) -> list[Any]:
  """Every advantage with its verdict; an oracle gets no claim."""
  return [
    {
      **r,
      "verdict": "chosen by the true labels: no claim"
      if advantage.is_oracle(r["attack"])
      else advantage.verdict(r["low"], r["high"]) + _lost(r["lost"]),
    }
    for r in advantage.at_once(leakage)
  ]


def _lost(trials) -> str:
  if not trials:
    return ""
  return f"; it gave no answer in {trials} more trial{'s' * (trials > 1)}"


def exposure(frame: pd.DataFrame) -> list[Any]:
  """Errors of rebuilt features and of their mean, by party and metric."""
  if frame.empty:
    return []
  rows = []
  frame = frame[frame["rows"] == "test"]
  groups = frame.groupby(["attack", "party", "metric"], sort=False)
  for (attack, party, metric), group in groups:
    errors = group[group["what"] == "attack"]["value"]
    rows.append(
      {
        "attack": attack,
        "party": party,
        "metric": metric,
        "value": errors.mean(),
        "half": intervals.half_width(errors),
        "mean": group[group["what"] == "mean"]["value"].mean(),
        "n": int(group["n"].iloc[0]),
      }
    )
  return rows


def _decisive(leakage: pd.DataFrame) -> list[Any]:
  """The rows about primary metrics, without oracles; intervals hold at once."""
  return [
    row
    for row in advantage.at_once(leakage)
    if row["primary"] and not advantage.is_oracle(row["attack"])
  ]


def strongest(leakage: pd.DataFrame) -> list[dict[str, Any]]:
  """For each party the largest advantage over all attacks and kinds of rows.

  True labels were needed to see which is the largest, so that its interval is
  one of those that hold for all rows at once.
  """
  largest: dict[str, dict[str, Any]] = {}
  for r in _decisive(leakage):
    before = largest.get(r["party"])
    if before is None or r["advantage"] > before["advantage"]:
      largest[r["party"]] = r
  return list(largest.values())


def classes(leakage: pd.DataFrame, frame: pd.DataFrame) -> dict[str, Any]:
  """The classes of the largest advantage that has a table by class.

  Args:
    leakage: table of advantages.
    frame: table of F1 by class.

  Returns:
    Its row, and the ten "classes" that leak most; empty without any.
  """
  rows = sorted(_decisive(leakage), key=lambda r: -r["advantage"])
  for row in rows:
    found = advantage.by_class(frame, row)
    if found:
      return {**row, "classes": found[:10], "all": len(found)}
  return {}


def active(frame: pd.DataFrame) -> list[Any]:
  """Scores of the main task under active attacks and without them."""
  if frame.empty:
    return []
  groups = frame.groupby(["attack", "party", "metric"], sort=False)
  return groups[["value", "honest"]].mean().reset_index().to_dict("records")


def variants(frame: pd.DataFrame) -> list[Any]:
  """Details reported by each attack, and the number of trials with each."""
  if frame.empty:
    return []
  chosen = frame[frame["what"].isin(["attack", "no-VFL", "features only"])]
  chosen = chosen.drop_duplicates(["attack", "what", "party", "seed", "draw"])
  counts = chosen.groupby(["attack", "what", "party", "detail"]).size()
  return counts.rename("trials").reset_index().to_dict("records")
