"""What the report of an experiment shows, and how it bears on the paper."""

import pathlib
from typing import Any

import pandas as pd
from scipy import stats

from vfl_jax.results import figures
from vfl_jax.results import intervals
from vfl_jax.results.pages import leakage as page_leakage
from vfl_jax.results import status
from vfl_jax.results import tables

LETTERS = "abcdefghijklmnopqrstuvwxyz"  # for kinds of warnings


def contents(workdir: pathlib.Path, config: Any) -> dict[str, Any]:
  """The variables of experiment.html, from the files of a workdir."""
  main = tables.read(workdir, "main")
  whole = tables.read(workdir, "information")
  information = figures.final(whole) if len(whole) else whole
  compensation = tables.read(workdir, "compensation")
  probes = tables.read(workdir, "probes")
  leakage = tables.read(workdir, "leakage")
  attacks = tables.read(workdir, "attacks")
  (headline,) = main[(main["rows"] == "test") & main["primary"]].to_dict(
    "records"
  )
  return {
    "metric": headline["metric"],
    "headline": headline,
    "main": main.to_dict("records"),
    "trends": trends(information),
    "information": _layers(information),
    "reduced": int((information.get("kept_variance", pd.Series()) < 1).sum()),
    "warnings": _warnings(information),
    "input_information": _input_information(whole),
    "compensation": _compensation(compensation),
    "probes": _probes(probes),
    "findings": findings(information)
    + page_leakage.findings(leakage)
    + compensation_findings(compensation, probes),
    "leakage": page_leakage.judged(leakage),
    "strongest": page_leakage.strongest(leakage),
    "by_class": page_leakage.classes(leakage, tables.read(workdir, "classes")),
    "variants": page_leakage.variants(attacks),
    "exposure": page_leakage.exposure(tables.read(workdir, "exposure")),
    "oracle": bool(config["evaluate"]["oracle"]),
    "active": page_leakage.active(tables.read(workdir, "active")),
    "privacy": tables.read(workdir, "privacy").to_dict("records"),
    "defended": _defended(tables.read(workdir, "defenses"), leakage),
    "cost": tables.read(workdir, "cost").to_dict("records"),
    "controlled": set(attacks.loc[attacks["what"] == "no-VFL", "attack"])
    if len(attacks)
    else set(),
    "budgets": status.status(workdir).get("budgets", {}),
    "skipped": status.status(workdir).get("skipped", {}),
  }


def _defended(
  frame: pd.DataFrame, leakage: pd.DataFrame
) -> list[dict[str, Any]]:
  """Quantities reported by defences, beside what attacks measured."""
  if frame.empty:
    return []

  def measured(quantity, party):
    if leakage.empty or "AUC" not in quantity:
      return None
    read = leakage[
      (leakage["party"].astype(str) == str(party))
      & (leakage["metric"] == "auc")
      & leakage["ceiling_score"].isna()  # attacks that read gradients
    ]
    if read.empty:
      return None
    best = read.loc[read["attack_score"].idxmax()]
    return {"attack": best["attack"], "score": best["attack_score"]}

  return [
    {
      "measured": measured(quantity, party),
      "quantity": quantity,
      "party": party,
      "value": values["value"].mean(),
      "half": intervals.half_width(values["value"]),
    }
    for (quantity, party), values in frame.groupby(
      ["quantity", "party"], sort=False
    )
  ]


def trends(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Rank correlations of depth and information, for each party and jointly.

  Only stages of one chain are compared: those of a party from its input to the
  cut, or the joint ones from the merged input to the output.
  """
  rows = []
  if frame.empty:
    return rows
  frame = frame[frame["form"] == "flat"]
  groups = frame.groupby(["estimator", "samples", "party"], sort=False)
  for (estimator, samples, party), group in groups:
    by_layer = group.groupby("layer")["nats"].mean()
    if len(by_layer) < 3:
      continue
    correlation, _ = stats.spearmanr(by_layer.index, by_layer)
    rows.append(
      {
        "estimator": estimator,
        "samples": samples,
        "party": party,
        "first": by_layer.iloc[0],
        "last": by_layer.iloc[-1],
        "correlation": correlation,
      }
    )
  return rows


def findings(information: pd.DataFrame) -> list[tuple[str, str]]:
  """Sentences on whether information rises with depth, as the paper claims."""
  sentences = []
  joint = [
    t
    for t in trends(information)
    if t["party"] == "joint" and t["samples"] == "held out"
  ]
  if joint:
    rising = [t for t in joint if t["correlation"] > 0.5]
    falling = [t for t in joint if t["correlation"] < -0.5]
    values = "; ".join(
      f"{t['estimator']} {t['correlation']:+.2f}, from {t['first']:.2f} to "
      f"{t['last']:.2f} nats"
      for t in joint
    )
    if len(rising) == len(joint):
      text = "Estimated information rises with depth, as the paper reports"
    elif len(falling) == len(joint):
      text = "Estimated information falls with depth, against the paper"
    elif rising:
      text = "Only some estimators see information rise with depth"
    else:
      text = "No clear rise of information with depth, unlike the paper's claim"
    sentences.append(
      (
        text,
        "rank correlation of layer and I(T;Y), all parties, held out: "
        + values,
      )
    )
  return sentences


def _layers(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Estimates by place on both kinds of rows, mean and interval over seeds."""
  if frame.empty:
    return []
  keys = ["estimator", "party", "layer", "stage", "form"]
  marks, rows = _marks(frame), []
  for place, group in frame.groupby(keys, sort=False):
    row: dict[str, Any] = dict(zip(keys, place, strict=True))
    for samples, estimates in group.groupby("samples", sort=False):
      name = str(samples).replace(" ", "_")
      row[name] = estimates["nats"].mean()
      row[f"{name}_half"] = intervals.half_width(estimates["nats"])
      row[f"{name}_floor"] = estimates["floor"].mean()
      row[f"{name}_fitted"] = estimates["fitted"].mean()
      row[f"{name}_marks"] = "".join(
        sorted({marks.get(kind, "*") for kind in _kinds(estimates["warning"])})
      )
      row[f"{name}_folds"] = estimates["fold_interval"].mean()
      row[f"{name}_n"] = int(estimates["n"].iloc[0])
    row["width"] = int(group["width"].iloc[0])
    row["kept"] = group["kept_variance"].mean()
    row["loss"] = group["projection_loss"].mean()
    row["ceiling"] = group["ceiling"].iloc[0]
    row["cap"] = group["cap"].iloc[0]
    rows.append(row)
  return rows


def _kinds(warnings: pd.Series) -> pd.Series:
  """Kinds of warnings, one per entry, without their numbers."""
  texts = warnings.dropna().str.split("; ").explode()
  return texts[texts != ""].str.split(":").str[0]


def _marks(frame: pd.DataFrame) -> dict[str, str]:
  """A letter for each kind of warning, from the most frequent on."""
  if frame.empty:
    return {}
  return dict(zip(_kinds(frame["warning"]).value_counts().index, LETTERS))


def _warnings(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Kinds of warnings, and how many estimates of each estimator have them."""
  rows = []
  for kind, mark in _marks(frame).items():
    where = []
    for (estimator, samples), group in frame.groupby(
      ["estimator", "samples"], sort=False
    ):
      count = int((_kinds(group["warning"]) == kind).sum())
      if count:
        where.append(f"{estimator} {count} of {len(group)} {samples}")
    rows.append({"mark": mark, "kind": kind, "where": ", ".join(where)})
  return rows


def _input_information(frame: pd.DataFrame) -> list[Any]:
  """Estimates of I(X;T) by place, means over seeds."""
  if frame.empty or not (frame["quantity"] == "I(X;T)").any():
    return []
  rows = frame[frame["quantity"] == "I(X;T)"]
  keys = ["party", "layer", "stage"]
  means = rows.groupby(keys, sort=False)[["nats", "ceiling"]].mean()
  return means.reset_index().to_dict("records")


def _compensation(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Accuracy and share of the federation's gain, with intervals."""
  if frame.empty:
    return []
  rows = []
  for what, group in frame.groupby("what", sort=False):
    rows.append(
      {
        "what": what,
        "accuracy": group["accuracy"].mean(),
        "accuracy_half": intervals.half_width(group["accuracy"]),
        "share": group["share"].mean(),
        "share_half": intervals.half_width(group["share"]),
        "prior": group["prior"].iloc[0],
      }
    )
  return rows


def _probes(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Usable information at the cut, with intervals over seeds."""
  if frame.empty:
    return []
  rows = []
  groups = frame.groupby(["family", "party", "what"], sort=False)
  for (family, party, what), group in groups:
    rows.append(
      {
        "family": family,
        "party": party,
        "what": what,
        "nats": group["nats"].mean(),
        "half": intervals.half_width(group["nats"]),
        "ceiling": group["ceiling"].iloc[0],
        "n": int(group["n"].iloc[0]),
      }
    )
  return rows


def compensation_findings(
  frame: pd.DataFrame, probes: pd.DataFrame
) -> list[tuple[str, str]]:
  """Sentences for or against model compensation, from direct measurements."""
  sentences = []
  rows = {r["what"]: r for r in _compensation(frame)}
  random = rows.get("top on random bottoms")
  if random:
    text = (
      f"A top on frozen random bottoms recovers {random['share']:.0%} of what "
      "the federation gains over the prior"
    )
    fresh = rows.get("fresh top on trained bottoms")
    detail = f"accuracy {random['accuracy']:.3f}"
    if fresh:
      detail += (
        f"; a fresh top on the trained bottoms {fresh['share']:.0%}, "
        f"accuracy {fresh['accuracy']:.3f}"
      )
    sentences.append((text, detail))
  if len(probes):
    joint = probes[(probes["party"] == "joint") & (probes["family"] == "mlp")]
    table = joint.pivot(index="seed", columns="what", values="nats")
    gap = table["federation"] - table["central twin"]
    half = intervals.half_width(gap)
    if len(gap) < 2 or abs(gap.mean()) <= half:
      text = "Bottoms and the same stages trained centrally are not told apart"
    elif gap.mean() < 0:
      text = (
        "Bottoms hold less usable label information than the same stages "
        "trained centrally, as model compensation says"
      )
    else:
      text = (
        "Bottoms hold more usable label information than the same stages "
        "trained centrally, against model compensation"
      )
    detail = (
      f"mlp probe, all parties: {table['federation'].mean():.2f} against "
      f"{table['central twin'].mean():.2f} nats, difference "
      f"{gap.mean():+.2f} [{gap.mean() - half:+.2f}, {gap.mean() + half:+.2f}]"
    )
    sentences.append((text, detail))
  return sentences
