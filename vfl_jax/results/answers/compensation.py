"""Whether bottoms or top do the work, by the cut.

Cells are labelled by data and cut.
"""

import os
from typing import Any

import pandas as pd

from vfl_jax.results import intervals
from vfl_jax.results import tables

CELL = ["data", "cut"]
LEARNED = 0.02  # accuracy above the prior from which a task is learned
WHATS = {
  "federation": "federation",
  "top on random bottoms": "random",
  "fresh top on trained bottoms": "fresh",
  "central twin": "central",
}


def read(workdir: str | os.PathLike[str]) -> None:
  """Write the tables "compensated" and "findings" of a study."""
  rows = measured(
    tables.read(workdir, "all_compensation"), tables.read(workdir, "all_probes")
  )
  tables.write(workdir, "compensated", rows)
  tables.write(workdir, "findings", findings(pd.DataFrame(rows)))


def measured(
  accuracies: pd.DataFrame, probes: pd.DataFrame
) -> list[dict[str, Any]]:
  """One row per cut; both tables have the columns of `CELL`.

  Args:
    accuracies: table with the columns what, seed, accuracy and prior.
    probes: table with the columns what, party, family, seed, nats and ceiling;
      may be empty.

  Returns:
    Rows with these columns; those that are measured have their intervals over
    seeds beside them, with the suffixes "_low" and "_high":
    - prior.
    - federation, random, fresh, central: test accuracy of the federation, of a
      top on random bottoms, of a fresh top on the trained bottoms and of the
      same network trained in one place.
    - share_random, share_fresh, share_central: these accuracies as a share of
      the federation's gain over the prior (NaN if it has not learned).
    - usable information at the cut by a linear probe, as a share of H(Y): probe
      (a passive party's embedding, mean over parties), untrained (of a random
      bottom), joint (all embeddings together), central_probe (the same layer
      of the central twin).
    - probe_mlp, untrained_mlp: the same by a perceptron.
  """
  rows = []
  for cell, group in accuracies.groupby(CELL, sort=False):
    row: dict[str, Any] = dict(zip(CELL, cell, strict=True))
    row["prior"] = group["prior"].iloc[0]
    table = group.pivot(index="seed", columns="what", values="accuracy")
    gain = table["federation"] - row["prior"]
    gain = gain.where(gain > LEARNED)  # else there is nothing to share
    for what, name in WHATS.items():
      values = table[what] if what in table else gain * float("nan")
      row |= _between(name, values)
      if name != "federation":
        row |= _between(f"share_{name}", (values - row["prior"]) / gain)
    cell_probes = probes
    if len(probes):
      cell_probes = probes[(probes[CELL] == list(cell)).all(axis=1)]
    row |= _probed(cell_probes)
    rows.append(row)
  return sorted(rows, key=lambda r: (r["data"], r["cut"]))


def _between(name, values):
  values = values.dropna().tolist()
  bounds = intervals.interval(values) if values else (float("nan"),) * 3
  ends = ("", "_low", "_high")
  return {f"{name}{end}": v for end, v in zip(ends, bounds, strict=True)}


def _probed(probes):
  rows = {}
  if len(probes):
    probes = probes.assign(share=probes["nats"] / probes["ceiling"])
  for name, what, joint, family in (
    ("probe", "federation", False, "linear"),
    ("untrained", "untrained", False, "linear"),
    ("joint", "federation", True, "linear"),
    ("central_probe", "central twin", True, "linear"),
    ("probe_mlp", "federation", False, "mlp"),
    ("untrained_mlp", "untrained", False, "mlp"),
  ):
    values = pd.Series(dtype=float)
    if len(probes):
      picked = probes[
        (probes["what"] == what)
        & ((probes["party"] == "joint") == joint)
        & (probes["family"] == family)
      ]
      values = picked.groupby("seed")["share"].mean()
    rows |= _between(name, values)
  return rows


def findings(cells: pd.DataFrame) -> list[dict[str, str]]:
  """Sentences on the paper's claim, one for each data set."""
  sentences = []
  for data, data_cells in cells.groupby("data", sort=False):
    inside = data_cells.dropna(subset=["share_random"])
    if len(inside) < 2:
      continue
    first, last = inside.iloc[0], inside.iloc[-1]
    name = str(data).replace("_", " ")
    sentences.append(
      {
        "text": f"On {name}, a top on random bottoms that were never trained "
        f"reaches {_share(first, 'share_random')} of the federation's gain "
        f"over the prior at cut {int(first['cut'])}, and "
        f"{_share(last, 'share_random')} at cut {int(last['cut'])}",
        "detail": "a fresh top on the trained bottoms "
        f"{first['share_fresh']:.0%} and {last['share_fresh']:.0%}; read by a "
        f"line, a party's embedding holds {first['probe']:.2f} and "
        f"{last['probe']:.2f} of H(Y), that of an untrained bottom "
        f"{first['untrained']:.2f} and {last['untrained']:.2f}; all embeddings "
        f"{last['joint']:.2f} at the last of these cuts, the central twin "
        f"has {last['central_probe']:.2f}",
      }
    )
  return sentences


def _share(row, name):
  if row[f"{name}_low"] != row[f"{name}_low"]:
    return f"{row[name]:.0%}"
  return (
    f"{row[name]:.0%} [{row[name + '_low']:.0%}, {row[name + '_high']:.0%}]"
  )
