"""What the cells of a study measured, gathered."""

from typing import Any

import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results.answers import verdicts
from vfl_jax.results import intervals
from vfl_jax.results import tables

FAMILIES = {
  "completion": ("passive_completion", "active_completion"),
  "gradient": ("norm", "direction", "hint", "direct"),
  "clustering": ("gradient_clustering", "similarity", "spectral"),
}
ROWS = "train"  # what gradient attacks speak about too


_BY_SEED = {"utilities": "utility_seed", "leakages": "leakage_seed"}


def spread(cells: pd.DataFrame) -> list[dict[str, Any]]:
  """Cells as rows of a file: what was measured of each seed in columns."""
  rows = []
  for row in cells.to_dict("records"):
    for name, prefix in _BY_SEED.items():
      row |= {f"{prefix}{seed}": v for seed, v in row.pop(name).items()}
    rows.append(row)
  return rows


def gathered(frame: pd.DataFrame) -> pd.DataFrame:
  """Cells again, from a file of what `spread` gave."""
  frame = labelled(frame)
  for name, prefix in _BY_SEED.items():
    names = [c for c in map(str, frame) if c.startswith(prefix)]
    seeds = {c: int(c[len(prefix) :]) for c in names}
    frame[name] = [
      row.rename(seeds).astype(float).dropna()
      for _, row in frame[list(seeds)].iterrows()
    ]
    frame = frame.drop(columns=list(seeds))
  return frame


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
  """Cells without a strength have an empty one, not a missing one."""
  if frame.empty:
    return frame
  return frame.assign(strength=frame["strength"].fillna("").astype(str))


def family(rule: str) -> str:
  """To which kind an attack belongs, by its name in the registry.

  >>> [family(a) for a in ("passive_completion", "direct", "exploit")]
  ['completion', 'gradient', 'other']
  """
  for name, rules in FAMILIES.items():
    if rule in rules:
      return name
  return "other"


def measured(
  main: pd.DataFrame,
  attacks: pd.DataFrame,
  exposure: pd.DataFrame,
  cost: pd.DataFrame,
) -> pd.DataFrame:
  """Utility, leakage, exposure and cost of every cell, one a row.

  Args:
    main: utility, `attacks` the scores that advantages come from, `exposure`
      of features, `cost` by stage; all with the columns of `CELL`.
    attacks: see above.
    exposure: see above; may be empty.
    cost: see above.

  Returns:
    metric, utility, utility_low, utility_high (test rows); of each family of
    attacks the largest leakage advantage over its attacks and parties (on
    training rows), and of all `leakage` with its attack and interval; exposed,
    the share of the passive parties' test features that an inversion explains
    (0 for the mean, 1 for all); up_bytes and down_bytes a sample. Besides,
    series by number of the seed: utilities, leakages.
  """
  primary = attacks[attacks["primary"] & (attacks["rows"] == ROWS)]
  leaking = {
    cell: leaks(group) for cell, group in primary.groupby(verdicts.CELL)
  }
  exposed = exposures(exposure, verdicts.CELL)
  wires = cost[cost["stage"] == "wire"]
  wires = wires.groupby(verdicts.CELL)[["up_bytes", "down_bytes"]].sum()
  rows = []
  tested = main[(main["rows"] == "test") & main["primary"]]
  for cell, group in tested.groupby(verdicts.CELL, sort=False):
    cell_leaks = leaking.get(cell)
    if cell_leaks is None:
      continue
    top = strongest(cell_leaks)
    of_family = dict.fromkeys(FAMILIES, float("nan"))
    for name in FAMILIES:
      family_leaks = [
        leak for leak in cell_leaks if family(leak["rule"]) == name
      ]
      if family_leaks:
        of_family[name] = strongest(family_leaks)["advantage"]
    rows.append(
      {
        **dict(zip(verdicts.CELL, cell, strict=True)),
        **main_task(group),
        **of_family,
        "leakage": top["advantage"],
        "leakage_low": top["low"],
        "leakage_high": top["high"],
        "attack": top["attack"],
        "party": top["party"],
        "attacks": len(cell_leaks),
        "exposed": exposed.get(cell, float("nan")),
        "up_bytes": int(wires.loc[cell, "up_bytes"]),
        "down_bytes": int(wires.loc[cell, "down_bytes"]),
        "leakages": top["seeds"],
      }
    )
  return pd.DataFrame(rows)


def main_task(scores: pd.DataFrame) -> dict[str, Any]:
  """metric, utility with its interval, and utilities, a series by seed."""
  row = scores.iloc[0]
  seeds = {c: int(c[4:]) for c in map(str, scores) if c[4:].isdigit()}
  return {
    "metric": row["metric"],
    "utility": row["mean"],
    "utility_low": row["low"],
    "utility_high": row["high"],
    "utilities": row[list(seeds)].rename(seeds).astype(float).dropna(),
  }


def leaks(scores: pd.DataFrame) -> list[dict[str, Any]]:
  """Each attack of each party: its advantage and interval over seeds.

  What an oracle chose is not among them.
  """
  advantages = []
  scores = scores[~scores["attack"].str.endswith(tables.ORACLE)]
  for (attack, party), group in scores.groupby(["attack", "party"]):
    *_, seeds = advantage.gains(group.dropna(subset=["value"]))
    mean, low, high = intervals.interval(seeds.tolist())
    advantages.append(
      {
        "attack": attack,
        "rule": group["rule"].iloc[0],
        "party": party,
        "advantage": mean,
        "low": low,
        "high": high,
        "seeds": seeds,
      }
    )
  return advantages


def strongest(advantages: list[dict[str, Any]]) -> dict[str, Any]:
  """Of what `leaks` gave the largest advantage, of those told by most seeds.

  One lucky seed of an attack that else has no answer hides no other.
  """
  most = max(len(leak["seeds"]) for leak in advantages)
  whole = [leak for leak in advantages if len(leak["seeds"]) == most]
  return max(whole, key=lambda leak: leak["advantage"])


def exposures(exposure: pd.DataFrame, cell: list[str]) -> dict[Any, float]:
  """The mean share of features rebuilt of test rows, by cell."""
  if exposure.empty:
    return {}
  shares = rebuilt(exposure, "test")
  return shares.groupby(cell)["share"].mean().to_dict()


def rebuilt(exposure: pd.DataFrame, rows: str) -> pd.DataFrame:
  """Of every cell, party and seed: the share of features rebuilt, "share"."""
  errors = exposure[
    (exposure["metric"] == "unexplained")
    & (exposure["what"] == "attack")
    & (exposure["rows"] == rows)
  ]
  return errors.assign(share=1 - errors["value"])
