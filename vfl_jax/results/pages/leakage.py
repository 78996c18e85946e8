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
    for r in leakage.to_dict("records")
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
  """The rows about primary metrics, without oracles."""
  if leakage.empty:
    return []
  frame = leakage[
    leakage["primary"] & ~leakage["attack"].map(advantage.is_oracle)
  ]
  return frame.to_dict("records")


def strongest(leakage: pd.DataFrame) -> list[dict[str, Any]]:
  """For each party the largest advantage over all attacks and kinds of rows.

  True labels were needed to see which is the largest. Its interval is therefore
  widened to hold for all of them at once.

  Returns:
    Rows of the table; low and high are the widened interval, and "of" is the
    number of advantages that each was picked from.
  """
  largest: dict[str, dict[str, Any]] = {}
  rows = _decisive(leakage)
  for r in rows:
    before = largest.get(r["party"])
    if before is None or r["advantage"] > before["advantage"]:
      largest[r["party"]] = r
  cards = []
  for party, r in largest.items():
    count = sum(other["party"] == party for other in rows)
    wider = 1.0
    if r["seeds"] > 1:  # a Bonferroni correction
      wider = intervals.at_once(r["seeds"], count)
    half = wider * (r["high"] - r["low"]) / 2
    low, high = r["advantage"] - half, r["advantage"] + half
    cards.append({**r, "of": count, "low": low, "high": high})
  return cards


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
