"""Which cut an audit recommends, with the evidence.

Cells are labelled by cut and defense (possibly "none"). The choice uses the
main task and the exposure of features on validation rows, and the leakage on
training rows; the chosen option is reported on test rows too.

Leakage is the advantage of the strongest attack as a share of what guessing
leaves (1 minus the score of the prior). Advantages in AUC and in accuracy, and
shares of features, can thus be compared with each other.
"""

from collections.abc import Iterable
import json
import os
import pathlib
from typing import Any

import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results.answers import cells
from vfl_jax.results.answers import cuts
from vfl_jax.results.answers import evidence
from vfl_jax.results.answers import recommendation
from vfl_jax.results import files
from vfl_jax.results import intervals
from vfl_jax.results import tables

CELL = ["cut", "defense"]


def read(workdir: str | os.PathLike[str], attacks: Iterable[str] = ()) -> None:
  """Write the tables "options" and "findings", and audit.json.

  Args:
    workdir: folder of the audit.
    attacks: names of all attacks that exist, to list those not tried.
  """
  workdir = pathlib.Path(workdir)
  config = json.loads((workdir / "config.json").read_text("utf-8"))
  names = ("main", "leakage", "attacks", "exposure", "cost")
  cell_tables = {n: tables.read(workdir, f"all_{n}") for n in names}
  frame = measured(**cell_tables, seeds=config["seeds"])
  section = config["audit"]
  limits = evidence.Constraints(
    protect=section["protect"],
    utility_loss=section["max_utility_loss"],
    leakage=_limit(section["max_leakage"], 1),
    exposed=_limit(section["max_exposed"], 1),
    traffic=_limit(section["max_bytes"], 0),
  )
  usual = named(config["model"]["cut"], "none")
  if usual in set(frame["name"]):
    recommended = recommendation.recommend(
      _options(frame), usual, limits, _evidence(frame, cell_tables["main"])
    )
  else:
    recommended = recommendation.Recommendation(
      "",
      (
        f"The reference, {usual}, came to no result: there is nothing to hold "
        "the others against.",
      ),
    )
  doubts = list(recommended.doubts)
  series = ["utilities", "leakages", "exposures"]
  frame = frame.drop(columns=series).assign(
    reference=frame["name"] == usual,
    chosen=frame["name"] == recommended.chosen,
    front=frame["name"].isin(recommended.front),
    misses=[
      "; ".join(recommended.misses.get(name, ())) for name in frame["name"]
    ],
  )
  tables.write(workdir, "options", frame.to_dict("records"))
  tables.write(workdir, "findings", _sentences(recommended, doubts))
  tried = (
    set(cell_tables["leakage"]["attack"])
    if len(cell_tables["leakage"])
    else set()
  )
  answer = {
    "recommendation": recommended.chosen or None,
    "reference": usual,
    "reasons": recommended.reasons,
    "doubts": doubts,
    "constraints": section,
    "data": config["data"]["path"] or config["data"]["name"],
    "seeds": config["seeds"],
    "known labels of each class": config["evaluate"]["aux_per_class"],
    "iterations of an attack": config["evaluate"]["attack_steps"],
    "attacks": sorted(tried),
    "not tried": _left_out(attacks, config["attacks"]),
    "options": json.loads(frame.to_json(orient="records")),
    "failed": tables.read(workdir, "failed").to_dict("records"),
  }
  files.write_text(workdir / "audit.json", json.dumps(answer, indent=1))


def _left_out(attacks, asked) -> list[str]:
  """Attacks that the config does not name."""
  names = {a if isinstance(a, str) else a["name"] for a in asked}
  if "all" in names:
    return []
  return sorted(set(attacks) - names)


def named(cut: int, defense: str) -> str:
  """The name of an option, for people.

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
  seeds: int,
) -> pd.DataFrame:
  """One row per option; all tables have the columns of `CELL`.

  Args:
    main: scores of the main task, on test and validation rows.
    leakage: leakage advantages, as the experiments report them.
    attacks: the scores that they come from; those of oracles do not count.
    exposure: features rebuilt; may be empty.
    cost: costs by stage.
    seeds: number of seeds that every option should have.

  Returns:
    Rows with these columns:
    - name; stages: those of a passive party; metric.
    - validation_ and test_ with mean, low, high and n: the main task.
    - leak, leak_low, leak_high: leakage (see the module) on training rows, of
      the strongest attack that answered in every seed.
    - leak_ with attack, party, metric, score, control and control_score: that
      attack; leak_test, leak_test_low, leak_test_high: its advantage on test
      rows.
    - exposed: share rebuilt on test rows, of the most exposed party.
    - the columns of `cuts.price`.
    - tries: number of attacks, over parties; lacks: why the option cannot be
      compared, "" if it can.
    - utilities, exposures (validation rows), leakages (training rows): series
      indexed by seed.
  """
  primary = main[main["primary"]]
  clean = lambda frame: frame[
    frame["primary"] & ~frame["attack"].str.endswith(tables.ORACLE)
  ]
  attacks, judged = clean(attacks), clean(leakage)
  rows = []
  for cell, group in primary.groupby(CELL, sort=False):
    of = lambda frame, cell=cell: frame[(frame[CELL] == list(cell)).all(axis=1)]
    validation = group[group["rows"] == "validation"]
    utilities = cells.main_task(validation)["utilities"]
    leaks = _leaks(of(attacks[attacks["rows"] == "train"]))
    whole = [leak for leak in leaks if len(leak["seeds"]) == seeds]
    strongest = max(
      whole, key=lambda leak: leak["seeds"].mean(), default=_NOTHING
    )
    work, features = of(cost), of(exposure) if len(exposure) else exposure
    lacks = ""
    if not whole:
      most = max((len(leak["seeds"]) for leak in leaks), default=0)
      lacks = f"no attack answered in more than {most} of {seeds} seeds"
    elif len(utilities) < seeds:
      lacks = f"{len(utilities)} of {seeds} seeds came to an end"
    rows.append(
      {
        "name": named(*cell),
        **dict(zip(CELL, cell, strict=True)),
        "stages": ", ".join(_stages(work)),
        "metric": group["metric"].iloc[0],
        **_task("validation", validation),
        **_task("test", group[group["rows"] == "test"]),
        **_leaking(strongest, of(judged)),
        "exposed": _worst(features, "test").mean(),
        **cuts.price(work),
        "tries": len(whole),
        "lacks": lacks,
        "utilities": utilities,
        "leakages": strongest["seeds"],
        "exposures": _worst(features, "validation"),
      }
    )
  return pd.DataFrame(rows)


_NOTHING: dict[str, Any] = {
  "attack": "",
  "party": "",
  "seeds": pd.Series(dtype=float),
}


def _leaks(scores) -> list[dict[str, Any]]:
  """For each attack and party, the leakage by seed (see the module)."""
  leaks = []
  for (attack, party), group in scores.groupby(["attack", "party"]):
    group = group.dropna(subset=["value"])
    if group.empty:
      continue
    *_, gains = advantage.gains(group)
    gains = gains.dropna()
    guess = group.loc[group["what"] == "prior", "value"].mean()
    room = 1 - guess if guess < 1 else float("nan")
    leaks.append({"attack": attack, "party": party, "seeds": gains / room})
  return leaks


def _leaking(strongest, judged) -> dict[str, Any]:
  """Columns about the strongest attack, with its scores as reported."""
  values = strongest["seeds"].tolist()
  nothing = float("nan")
  mean, low, high = intervals.interval(values) if values else (nothing,) * 3
  facts = {"leak": mean, "leak_low": low, "leak_high": high}
  scores = judged[
    (judged["attack"] == strongest["attack"])
    & (judged["party"] == strongest["party"])
  ]
  for rows, columns in (
    (
      "train",
      {
        "attack": "attack",
        "party": "party",
        "metric": "metric",
        "score": "attack_score",
        "control": "control",
        "control_score": "control_score",
      },
    ),
    ("test", {"test": "advantage", "test_low": "low", "test_high": "high"}),
  ):
    on_rows = scores[scores["rows"] == rows]
    for name, column in columns.items():
      value = on_rows[column].iloc[0] if len(on_rows) else None
      facts[f"leak_{name}"] = value
  return facts


def _worst(exposure, rows) -> pd.Series:
  """The share rebuilt of the most exposed party, by seed."""
  if exposure.empty:
    return pd.Series(dtype=float)
  shares = cells.rebuilt(exposure, rows)
  return shares.groupby(["seed", "party"])["share"].mean().groupby("seed").max()


def _evidence(frame, main) -> evidence.Evidence:
  """Number of validation rows, and the score of guessing on them."""
  told = main[main["primary"] & (main["rows"] == "validation")]
  rows = int(frame["validation_n"].min())
  return evidence.Evidence(rows, float(told["guess"].mean()))


def _stages(cost):
  first = cost[cost["holder"] == "party 0"]
  return [s for s in first["stage"] if s != "wire"]


def _task(rows, scores):
  row = scores.iloc[0]
  return {f"{rows}_{k}": row[k] for k in ("mean", "low", "high", "n")}


def _options(frame) -> list[evidence.Option]:
  options = []
  for row in frame.to_dict("records"):
    utilities, leakages, exposures = (
      row[name].sort_index().to_numpy()
      for name in ("utilities", "leakages", "exposures")
    )
    if not len(exposures):
      exposures = utilities * float("nan")
    options.append(
      evidence.Option(
        row["name"],
        utilities,
        leakages,
        exposures,
        row["up_bytes"] + row["down_bytes"],
        row["lacks"],
      )
    )
  return options


def _limit(value, anything):
  return None if value == anything else value


def _sentences(
  recommended: recommendation.Recommendation, doubts: list[str]
) -> list[dict[str, str]]:
  text = (
    f"Take {recommended.chosen}"
    if recommended.chosen
    else "No option is recommended"
  )
  reasons = " ".join(recommended.reasons).rstrip(".")
  sentences = [{"text": text, "detail": reasons}]
  return sentences + [{"text": "Against it", "detail": d} for d in doubts]
