"""How much better an attack is than its controls, and when that is a leak."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vfl_jax.results import intervals
from vfl_jax.results import tables

CONTROLS = ("prior", "no-VFL", "features only")


def gains(group: Any) -> tuple[Any, str, Any]:
  """Attack minus its strongest control, for one attack, party and metric.

  Args:
    group: data frame with the columns seed, draw, what and value.

  Returns:
    table: the values, with one row per trial (seed and draw) and one column
      per "what".
    strongest: the control with the highest mean over trials.
    gain: attack minus that control, by seed; auxiliary draws are averaged.
  """
  table = group.pivot(index=["seed", "draw"], columns="what", values="value")
  # a control that failed in most trials is none; all that is compared is
  # compared in the same trials
  controls = [
    c for c in CONTROLS if c in table and table[c].isna().mean() <= 0.5
  ]
  table = table.dropna(subset=["attack", *controls])
  strongest = table[controls].mean().idxmax()
  gain = table["attack"] - table[strongest]
  return table, strongest, gain.groupby("seed").mean()


def advantage(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  """Leakage advantage: attack minus its strongest control, paired by trial.

  The strongest control is the one with the highest mean over trials. The
  interval is over seeds. The auxiliary draws of a seed share a federation, so
  they are averaged first: one seed has no interval, however many draws it has.

  Args:
    rows: scores, a row for each attack, party, kind of rows, metric, seed,
      draw and "what" (the attack itself, one of `CONTROLS`, or the ceiling).

  Returns:
    Tidy rows: attack, rule (its name in the registry), party, rows, metric,
    primary, attack_score, control, control_score, ceiling_score (NaN where
    there is none), advantage, low, high (95 %, of this row alone), risk,
    risk_low, risk_high (see `risk`), seeds, draws, n, lost (number of trials in
    which the attack or a control gave no answer; no other number includes
    them).
  """

  if not rows:
    return []
  frame = pd.DataFrame(rows).dropna(subset=["value"])
  results = []
  frame = frame[~frame["metric"].isin(["precision", "recall"])]
  trials = len(frame.drop_duplicates(["seed", "draw"]))
  groups = frame.groupby(["attack", "party", "rows", "metric"], sort=False)
  for (attack, party, where, metric), group in groups:
    if "attack" not in set(group["what"]):
      continue
    table, strongest, seeds = gains(group)
    if table.empty:
      continue
    mean, low, high = intervals.interval(seeds.tolist())
    share, share_low, share_high = risk(table, strongest)
    results.append(
      {
        "attack": attack,
        "rule": group["rule"].iloc[0] if "rule" in group else attack,
        "party": party,
        "rows": where,
        "metric": metric,
        "primary": bool(group["primary"].iloc[0]),
        "attack_score": table["attack"].mean(),
        "control": strongest,
        "control_score": table[strongest].mean(),
        "ceiling_score": (
          table["ceiling"].mean() if "ceiling" in table else float("nan")
        ),
        "advantage": mean,
        "low": low,
        "high": high,
        "risk": share,
        "risk_low": share_low,
        "risk_high": share_high,
        "seeds": len(seeds),
        "draws": len(table) // len(seeds),
        "n": int(group["n"].mean()),
        "lost": trials - len(table),
      }
    )
  return results


def risk(table: pd.DataFrame, control: str) -> tuple[float, float, float]:
  """The share of what the control leaves open that the attack gains.

  (attack - control) / (1 - control), a ratio of means over seeds. Its interval
  is that of the deviations from it (95 %); all three are cut to [0, 1].

  Args:
    table: scores, with rows (seed, draw) and a column per "what".
    control: column of the control.

  Source: the privacy risk of Anonymeter, Giomi et al. 2023, section 3.
  """
  means = table[["attack", control]].groupby("seed").mean()
  gain, left = means["attack"] - means[control], 1 - means[control]
  if not left.mean() > 0:
    return 0.0, 0.0, 0.0
  share = gain.mean() / left.mean()
  half = intervals.half_width(gain - share * left) / left.mean()
  cut = lambda value: min(max(value, 0.0), 1.0) if value == value else value
  return cut(share), cut(share - half), cut(share + half)


def at_once(leakage: pd.DataFrame) -> list[dict[str, Any]]:
  """Rows of the table whose intervals hold all at once (95 %, Bonferroni).

  A reader looks for the rows that leak. Where none does, two in five tables of
  twenty independent rows have one whose own interval lies above zero.

  Args:
    leakage: the table; rows of other than primary metrics and of oracles stay
      as they are, since no claim is made of them.

  Returns:
    The rows; "of" is the number of intervals that hold at once.
  """
  if leakage.empty:
    return []
  decisive = leakage["primary"] & ~leakage["attack"].map(is_oracle)
  count = int(decisive.sum())
  rows = []
  for row, claims in zip(leakage.to_dict("records"), decisive, strict=True):
    if claims and row["seeds"] > 1:
      wider = intervals.at_once(row["seeds"], count)
      half = wider * (row["high"] - row["low"]) / 2
      row |= {"low": row["advantage"] - half, "high": row["advantage"] + half}
    rows.append({**row, "of": count if claims else 1})
  return rows


def by_class(
  classes: pd.DataFrame, row: dict[str, Any]
) -> list[dict[str, Any]]:
  """Leakage of each class by one attack of one party, the largest first.

  Args:
    classes: table of F1 by class and seed, see `evaluation.classes`.
    row: row of the table of advantages: attack, party and rows count.

  Returns:
    Rows: class, n, attack_score, control_score, advantage, low, high; the
    intervals hold for all classes at once (95 %).
  """
  if classes.empty:
    return []
  same = classes["party"].astype(str) == str(row["party"])
  for key in ("attack", "rows"):
    same &= classes[key] == row[key]
  found = []
  groups = classes[same].groupby("class")
  for number, group in groups:
    gain = (group["attack_score"] - group["control_score"]).tolist()
    mean, low, high = intervals.interval(gain)
    if len(gain) > 1:
      half = intervals.at_once(len(gain), len(groups)) * (high - low) / 2
      low, high = mean - half, mean + half
    found.append(
      {
        "class": int(number),
        "n": group["n"].mean(),
        "attack_score": group["attack_score"].mean(),
        "control_score": group["control_score"].mean(),
        "advantage": mean,
        "low": low,
        "high": high,
      }
    )
  return sorted(found, key=lambda r: -r["advantage"])


MARGIN = 0.02  # an interval within plus or minus this is "at its control"


def verdict(low: float, high: float) -> str:
  """The claim, in words, that an interval of the advantage supports."""
  if low != low:
    return "one seed: no interval, no claim"
  if low > 0:
    return "it leaks, above every control"
  if low >= -MARGIN and high <= MARGIN:
    return f"at its control (within {MARGIN:.0%})"
  if high < 0:
    return "below its control: the control is the better attack"
  return "not told apart from its control"


def is_oracle(attack: str) -> bool:
  """Whether an attack's name is marked as that of an oracle."""
  return attack.endswith(tables.ORACLE)
