"""Which cut an audit recommends, with the evidence.

Cells are labelled by cut and defense ("none" is one). The choice is made by
the main task on validation rows and leakage on training rows; what is said of
the option chosen is read from test rows too.
"""

import json
import os
import pathlib

import pandas as pd

from vfl_jax import tables
from vfl_jax.questions import cuts
from vfl_jax.questions import recommendation
from vfl_jax.questions import tradeoff

CELL = ["cut", "defense"]
FEW_ROWS = 100  # for validation: a share is then known to ten points or so


def read(workdir: str | os.PathLike[str]) -> None:
  """The tables "options" and "findings", and audit.json."""
  workdir = pathlib.Path(workdir)
  config = json.loads((workdir / "config.json").read_text("utf-8"))
  names = ("main", "leakage", "attacks", "exposure", "cost")
  frame = measured(**{n: tables.read(workdir, f"all_{n}") for n in names})
  section = config["audit"]
  limits = recommendation.Constraints(
    protect=section["protect"],
    utility_loss=section["max_utility_loss"],
    leakage=_limit(section["max_leakage"], 1),
    exposed=_limit(section["max_exposed"], 1),
    traffic=_limit(section["max_bytes"], 0),
  )
  whole = frame[frame["seeds"] == config["seeds"]]
  usual = named(config["model"]["cut"], "none")
  if usual in set(whole["name"]):
    found = recommendation.recommend(_options(whole), usual, limits)
  else:
    found = recommendation.Recommendation(
      "",
      (
        f"The reference, {usual}, came to no result: there is nothing to hold "
        "the others against.",
      ),
      (),
      (),
      (),
    )
  doubts = list(found.doubts)
  if frame["validation_n"].min() < FEW_ROWS:
    doubts.append(
      f"the choice rests on {int(frame['validation_n'].min())} validation rows"
    )
  frame = frame.drop(columns=["utilities", "leakages"]).assign(
    reference=frame["name"] == usual,
    chosen=frame["name"] == found.chosen,
    front=frame["name"].isin(found.front),
    misses=[_why(found, name) for name in frame["name"]],
  )
  rows = frame.to_dict("records")
  tables.write(workdir, "options", rows)
  tables.write(workdir, "findings", _said(found, doubts))
  answer = {
    "recommendation": found.chosen or None,
    "reference": usual,
    "reasons": found.reasons,
    "doubts": doubts,
    "constraints": section,
    "data": config["data"]["path"] or config["data"]["name"],
    "seeds": config["seeds"],
    "known labels of each class": config["evaluate"]["aux_per_class"],
    "options": json.loads(frame.to_json(orient="records")),
    "failed": tables.read(workdir, "failed").to_dict("records"),
  }
  tables.write_text(workdir / "audit.json", json.dumps(answer, indent=1))


def named(cut: int, defense: str) -> str:
  """What people call an option.

  >>> named(2, "none"), named(2, "gaussian (scale=0.1)")
  ('cut 2', 'cut 2 with gaussian (scale=0.1)')
  """
  return f"cut {cut}" + (f" with {defense}" if defense != "none" else "")


def measured(
  main: pd.DataFrame,
  leakage: pd.DataFrame,
  attacks: pd.DataFrame,
  exposure: pd.DataFrame,
  cost: pd.DataFrame,
) -> pd.DataFrame:
  """Every option in one row; the columns of `CELL` are in all tables.

  Returns:
    name; stages, those of a passive party; metric; the main task as
    validation_ and test_ (mean, low, high, n); leak, the advantage of the
    strongest attack on training rows, and leak_ (low, high, attack, party,
    score, control, control_score), on test rows test_leak; exposed; what
    `cuts.price` finds; seeds. Besides, series by number of the seed: utilities
    (validation rows) and leakages.
  """
  primary = main[main["primary"]]
  exposed = tradeoff.exposures(exposure, CELL)
  judged = leakage[leakage["primary"]]
  rows = []
  for cell, part in primary.groupby(CELL, sort=False):
    of = lambda frame, cell=cell: frame[(frame[CELL] == list(cell)).all(axis=1)]
    scores = of(attacks[attacks["primary"] & (attacks["rows"] == "train")])
    leaks = tradeoff.leaks(scores)
    if not leaks:
      continue
    strongest = max(leaks, key=lambda leak: leak["advantage"])
    validation = part[part["rows"] == "validation"]
    utilities = tradeoff.main_task(validation)["utilities"]
    work = of(cost)
    rows.append(
      {
        "name": named(*cell),
        **dict(zip(CELL, cell, strict=True)),
        "stages": ", ".join(_stages(work)),
        "metric": part["metric"].iloc[0],
        **_task("validation", validation),
        **_task("test", part[part["rows"] == "test"]),
        **_strongest("leak", of(judged), "train"),
        **_strongest("test_leak", of(judged), "test"),
        "exposed": exposed.get(cell, float("nan")),
        **cuts.price(work),
        "seeds": len(utilities.index.intersection(strongest["seeds"].index)),
        "utilities": utilities,
        "leakages": strongest["seeds"],
      }
    )
  return pd.DataFrame(rows)


def _stages(cost):
  first = cost[cost["holder"] == "party 0"]
  return [s for s in first["stage"] if s != "wire"]


def _task(rows, part):
  row = part.iloc[0]
  return {f"{rows}_{k}": row[k] for k in ("mean", "low", "high", "n")}


def _strongest(prefix, leakage, rows):
  part = leakage[leakage["rows"] == rows].dropna(subset=["advantage"])
  columns = {
    "low": "low",
    "high": "high",
    "attack": "attack",
    "party": "party",
    "score": "attack_score",
    "control": "control",
    "control_score": "control_score",
  }
  if part.empty:
    return {prefix: float("nan")} | {f"{prefix}_{k}": None for k in columns}
  top = part.loc[part["advantage"].idxmax()]
  named = {f"{prefix}_{k}": top[column] for k, column in columns.items()}
  return {prefix: top["advantage"]} | named


def _options(frame) -> list[recommendation.Option]:
  return [
    recommendation.Option(
      row["name"],
      row["utilities"].sort_index().to_numpy(),
      row["leakages"].sort_index().to_numpy(),
      row["exposed"],
      row["up_bytes"] + row["down_bytes"],
    )
    for row in frame.to_dict("records")
  ]


def _limit(value, anything):
  return None if value == anything else value


def _why(found: recommendation.Recommendation, name: str) -> str:
  return "; ".join(found.misses.get(name, ()))


def _said(
  found: recommendation.Recommendation, doubts: list[str]
) -> list[dict[str, str]]:
  text = f"Take {found.chosen}" if found.chosen else "No option is recommended"
  reasons = " ".join(found.reasons).rstrip(".")
  said = [{"text": text, "detail": reasons}]
  return said + [{"text": "Against it", "detail": d} for d in doubts]
