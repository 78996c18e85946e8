"""Measurements of the cells of a study, one row per cell."""

from typing import Any

import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results.answers import capability
from vfl_jax.results.answers import verdicts
from vfl_jax.results import intervals
from vfl_jax.results import tables

FAMILIES = {
  "completion": (
    "passive_completion",
    "active_completion",
    "supervised_embeddings",
  ),
  "gradient": ("norm", "direction", "hint", "direct", "supervised_gradients"),
  "clustering": ("gradient_clustering", "similarity", "spectral"),
}
ROWS = "train"  # the rows that gradient attacks can score too


_BY_SEED = {"utilities": "utility_seed", "leakages": "leakage_seed"}


def spread(cells: pd.DataFrame) -> list[dict[str, Any]]:
  """Cells as rows for a CSV file, with a column for each seed.

  Args:
    cells: cells as `measured` gives them.
  """
  rows = []
  for row in cells.to_dict("records"):
    for name, prefix in _BY_SEED.items():
      row |= {f"{prefix}{seed}": v for seed, v in row.pop(name).items()}
    rows.append(row)
  return rows


def gathered(frame: pd.DataFrame) -> pd.DataFrame:
  """Cells as `measured` gives them, from a file that `spread` wrote.

  Args:
    frame: the table read from that file.
  """
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
  """The frame with strengths as text, "" where a cell has none."""
  if frame.empty:
    return frame
  return frame.assign(strength=frame["strength"].fillna("").astype(str))


def family(rule: str) -> str:
  """The family of an attack, by its name in the registry; "other" for none.

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
  """Utility, leakage, exposure and cost of every cell, one cell per row.

  All tables have the columns of `verdicts.CELL`. Cells in which no attack
  answered are left out.

  Args:
    main: scores of the main task.
    attacks: the scores that advantages come from.
    exposure: features rebuilt; may be empty.
    cost: costs by stage.

  Returns:
    Rows with these columns:
    - metric; utility, utility_low and utility_high, on test rows.
    - for each of `FAMILIES` the largest leakage advantage over its attacks and
      parties, on training rows.
    - leakage: the largest of all, with leakage_low, leakage_high, attack and
      party; attacks: number of attacks, over parties.
    - exposed: share of the passive parties' test features that an inversion
      explains (0 for their mean, 1 for all).
    - up_bytes and down_bytes per sample.
    - dcs and dcs_FAMILY: VFLAIR's scores, see `capability`.
    - utilities, leakages: series indexed by seed.
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
  bare = (tested["defense"] == "none") & (tested["advance"] == 0)
  usual = tested[bare].groupby("data")["mean"].mean()
  for cell, group in tested.groupby(verdicts.CELL, sort=False):
    cell_leaks = leaking.get(cell)
    if cell_leaks is None:
      continue
    top = strongest(cell_leaks)
    capable = capability.by_type(
      primary[(primary[verdicts.CELL] == list(cell)).all(axis=1)],
      group["mean"].iloc[0],
      usual.get(cell[0], float("nan")),
      family,
    )
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
        "dcs": capable["all"],
        **{f"dcs_{k}": capable.get(k, float("nan")) for k in FAMILIES},
        "leakages": top["seeds"],
      }
    )
  return pd.DataFrame(rows)


def main_task(scores: pd.DataFrame) -> dict[str, Any]:
  """Metric, utility with its interval, and utilities by seed.

  Args:
    scores: scores of the main task of one cell, one metric and kind of rows.

  Returns:
    metric, utility, utility_low, utility_high, and utilities: a series indexed
    by seed.
  """
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
  """The advantage of each attack by each party, with its interval over seeds.

  Oracles are left out.

  Args:
    scores: scores of attacks and controls of one cell and one kind of rows.

  Returns:
    For each attack and party: attack, rule (its name in the registry), party,
    advantage, low, high, and seeds: a series of advantages indexed by seed.
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
  """The largest of the advantages that rest on the most seeds.

  An attack that answered in one lucky seed only thus cannot hide the others.

  Args:
    advantages: advantages as `leaks` gives them; at least one.
  """
  most = max(len(leak["seeds"]) for leak in advantages)
  whole = [leak for leak in advantages if len(leak["seeds"]) == most]
  return max(whole, key=lambda leak: leak["advantage"])


def exposures(exposure: pd.DataFrame, cell: list[str]) -> dict[Any, float]:
  """The mean share of test features rebuilt, by cell.

  Args:
    exposure: features rebuilt; may be empty.
    cell: names of the columns that identify a cell.
  """
  if exposure.empty:
    return {}
  shares = rebuilt(exposure, "test")
  return shares.groupby(cell)["share"].mean().to_dict()


def rebuilt(exposure: pd.DataFrame, rows: str) -> pd.DataFrame:
  """The scores of inversions with a column "share", the share rebuilt.

  Args:
    exposure: features rebuilt, for all metrics and kinds of rows.
    rows: kind of rows to keep, "test" or "validation".
  """
  errors = exposure[
    (exposure["metric"] == "unexplained")
    & (exposure["what"] == "attack")
    & (exposure["rows"] == rows)
  ]
  return errors.assign(share=1 - errors["value"])
