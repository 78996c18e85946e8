"""Puts finished runs of the configs into docs/results/configs.csv.

  python docs/results/configs.py WORKDIR...

A run takes the place of earlier rows of its config. The table in
docs/results/README.md is made from the file:

  python -m tests.helpers.documented configs
"""

import datetime
import json
import pathlib
import sys

import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results import tables

FILE = pathlib.Path(__file__).with_suffix(".csv")
ATTACK = "passive_completion"


def rows(workdir: pathlib.Path) -> list[dict]:
  """A row for each party, and for rows trained on and test rows."""
  config = json.loads((workdir / "config.json").read_text("utf-8"))
  leakage = tables.read(workdir, "leakage")
  leakage = leakage[leakage["primary"] & (leakage["attack"] == ATTACK)]
  main = tables.read(workdir, "main").query("rows == 'test' and primary")
  task = main.iloc[0]
  return [
    {
      "config": config["name"],
      "profile": config["profile"],
      "metric": row["metric"],
      "main": task["mean"],
      "main_low": task["low"],
      "main_high": task["high"],
      "party": row["party"],
      "rows": row["rows"],
      "attack": row["attack_score"],
      "control": row["control"],
      "control_score": row["control_score"],
      "advantage": row["advantage"],
      "advantage_low": row["low"],
      "advantage_high": row["high"],
      "seeds": row["seeds"],
      "splits": row["seeds"] if config["data"]["resplit"] else 1,
      "draws": row["draws"],
      "made": datetime.date.today().isoformat(),
    }
    for row in advantage.at_once(leakage)
  ]


def main(workdirs: list[str]) -> None:
  made = pd.DataFrame(
    [row for name in workdirs for row in rows(pathlib.Path(name))]
  )
  if FILE.exists():
    kept = pd.read_csv(FILE, dtype={"party": str})
    made = pd.concat([kept[~kept["config"].isin(made["config"])], made])
  made = made.sort_values(["config", "rows", "party"])
  made.to_csv(FILE, index=False, float_format="%.4g")


if __name__ == "__main__":
  main(sys.argv[1:])
