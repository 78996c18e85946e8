"""Costs and gains of every cut: utility, attacks, features, traffic, work.

Cells are labelled by data, cut, and advance (stages before the reference cut;
negative after it).
"""

import os
from typing import Any

import pandas as pd

from vfl_jax.results.answers import cells as answer_cells
from vfl_jax.results import intervals
from vfl_jax.results import tables

CELL = ["data", "cut", "advance"]
ADAPTIVE = "adaptive completion"
NO_COST = 0.01  # largest loss of the main task that is called none
KINDS = ("completion", "adaptive", "gradient", "clustering")


def read(workdir: str | os.PathLike[str]) -> None:
  """Write the tables "cuts" and "findings" of a study."""
  names = ("main", "attacks", "exposure", "cost")
  frame = measured(**{n: tables.read(workdir, f"all_{n}") for n in names})
  arrays = ["utilities", *(f"{kind}_seeds" for kind in KINDS)]
  rows = frame.drop(columns=arrays).to_dict("records")
  tables.write(workdir, "cuts", rows)
  tables.write(workdir, "findings", findings(frame))


def measured(
  main: pd.DataFrame,
  attacks: pd.DataFrame,
  exposure: pd.DataFrame,
  cost: pd.DataFrame,
) -> pd.DataFrame:
  """One row per cell; all tables have the columns of `CELL`.

  Args:
    main: scores of the main task.
    attacks: the scores that advantages come from.
    exposure: features rebuilt; may be empty.
    cost: costs by stage.

  Returns:
    Rows with these columns:
    - metric; utility with its interval, on test rows; change, change_low and
      change_high: its paired difference from the cell with advance 0.
    - for each of `KINDS` the largest leakage advantage over attacks and parties
      on training rows, with its interval and the attack.
    - exposed: share of the features rebuilt.
    - the columns of `price`.
    - utilities, KIND_seeds: series indexed by seed.
  """
  primary = attacks[attacks["primary"] & (attacks["rows"] == answer_cells.ROWS)]
  exposed = answer_cells.exposures(exposure, CELL)
  rows = []
  tested = main[(main["rows"] == "test") & main["primary"]]
  for cell, scores in tested.groupby(CELL, sort=False):
    cell_attacks = primary[(primary[CELL] == list(cell)).all(axis=1)]
    rows.append(
      {
        **dict(zip(CELL, cell, strict=True)),
        **answer_cells.main_task(scores),
        **_leaks(answer_cells.leaks(cell_attacks)),
        "exposed": exposed.get(cell, float("nan")),
        **price(cost[(cost[CELL] == list(cell)).all(axis=1)]),
      }
    )
  usual = {r["data"]: r["utilities"] for r in rows if r["advance"] == 0}
  for row in rows:
    changes = row["utilities"] - usual.get(row["data"], float("nan"))
    ends = _changed(changes)
    row |= dict(zip(("change", "change_low", "change_high"), ends, strict=True))
  return pd.DataFrame(rows).sort_values(["data", "cut"], ignore_index=True)


def _changed(changes):
  """Mean and interval of differences by seed; NaN where there are none."""
  changes = changes.dropna().tolist()
  return intervals.interval(changes) if changes else (float("nan"),) * 3


def _kind(leak) -> str:
  if leak["attack"] == ADAPTIVE:
    return "adaptive"
  return answer_cells.family(leak["rule"])


def _leaks(advantages):
  rows: dict[str, Any] = {}
  for kind in KINDS:
    of_kind = [leak for leak in advantages if _kind(leak) == kind]
    top = answer_cells.strongest(of_kind) if of_kind else None
    nothing = float("nan")
    rows |= {
      kind: top["advantage"] if top else nothing,
      f"{kind}_low": top["low"] if top else nothing,
      f"{kind}_high": top["high"] if top else nothing,
      f"{kind}_attack": top["attack"] if top else "",
      f"{kind}_seeds": top["seeds"] if top else None,
    }
  return rows


def price(cost: pd.DataFrame) -> dict[str, int]:
  """Traffic and work of a federation.

  Args:
    cost: costs of one cell, by holder and stage.

  Returns:
    up_bytes and down_bytes: bytes per sample, over all parties. flops_total:
    forward FLOPs per sample. flops, parameters and activation_bytes (of one
    batch): with the suffix "_passive" of the passive party with the most, and
    with "_active" of the active party, including its own bottom.
  """
  wire = cost[cost["stage"] == "wire"]
  work = cost[cost["stage"] != "wire"]
  sums = work.groupby("holder")[["flops", "parameters", "activation_bytes"]]
  sums = sums.sum()
  passive = sums[sums.index.str.startswith("party ")]
  active = sums[sums.index.str.startswith("active")]
  price = {
    "up_bytes": int(wire["up_bytes"].sum()),
    "down_bytes": int(wire["down_bytes"].sum()),
    "flops_total": int(sums["flops"].sum()),
  }
  for name in sums:
    price[f"{name}_passive"] = int(passive[name].max()) if len(passive) else 0
    price[f"{name}_active"] = int(active[name].sum())
  return price


def findings(cells: pd.DataFrame) -> list[dict[str, str]]:
  """Sentences on the gains and costs of advancing the cut by one to three."""
  sentences = []
  for data, data_cells in cells.groupby("data", sort=False):
    data_cells = data_cells.set_index("advance")
    if 0 not in data_cells.index:
      continue
    name = str(data).replace("_", " ")
    for far in (1, 2, 3):
      if far in data_cells.index:
        sentences += [
          _gained(name, data_cells.loc[0], data_cells.loc[far], far),
          _paid(name, data_cells.loc[0], data_cells.loc[far], far),
        ]
  return sentences


def _gained(name, before, after, far):
  kinds = [
    f"{kind} {before[kind]:+.3f} to {after[kind]:+.3f} "
    f"(changed by {_change(before[f'{kind}_seeds'], after[f'{kind}_seeds'])})"
    for kind in KINDS
    if before[kind] == before[kind] and after[kind] == after[kind]
  ]
  return {
    "text": f"On {name}, advancing the cut by {far} changes test "
    f"{before['metric'].replace('_', ' ')} by "
    f"{_change(before['utilities'], after['utilities'])}: {_cost(after)}",
    "detail": f"leakage advantages: {'; '.join(kinds)}",
  }


def _cost(row):
  """Whether a loss of more than `NO_COST` is ruled out, in words."""
  if row["change_low"] != row["change_low"]:
    return "one seed, no claim"
  if row["change_low"] >= -NO_COST:
    return f"no cost (a loss of more than {NO_COST} is ruled out)"
  if row["change_high"] < 0:
    return "it costs"
  return f"a loss of more than {NO_COST} is not ruled out"


def _paid(name, before, after, far):
  times = {
    what: after[key] / before[key] if before[key] else float("nan")
    for what, key in (
      ("all computation", "flops_total"),
      ("that of a passive party", "flops_passive"),
      ("that of the active party", "flops_active"),
    )
  }
  traffic = after["up_bytes"] + after["down_bytes"]
  usual = before["up_bytes"] + before["down_bytes"]
  shares = ", ".join(
    f"{what} {value:.2f} times" for what, value in times.items()
  )
  return {
    "text": f"On {name}, advancing the cut by {far} makes {traffic} bytes a "
    f"sample of {usual} and {times['all computation']:.2f} times the forward "
    "work; the share of features that the active party rebuilds goes from "
    f"{before['exposed']:.2f} to {after['exposed']:.2f}",
    "detail": f"forward FLOPs: {shares} what they were; parameters of a "
    f"passive party {before['parameters_passive']:,} to "
    f"{after['parameters_passive']:,}, of the active one "
    f"{before['parameters_active']:,} to {after['parameters_active']:,}; "
    "activations of a batch, in bytes: "
    f"{before['activation_bytes_passive']:,} to "
    f"{after['activation_bytes_passive']:,} and "
    f"{before['activation_bytes_active']:,} to "
    f"{after['activation_bytes_active']:,}",
  }


def _change(before, after):
  """The mean paired difference over seeds with its interval, as text."""
  mean, low, high = _changed(after - before)
  if low != low:
    return f"{mean:+.3f} (one seed)"
  return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
