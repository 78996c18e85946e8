"""Whether information about the labels grows with depth, pair by pair.

Cells are labelled by data and model. A path leads through the bottom of one
party, from its input to the cut, and on through the layers of the top.
"""

import os
from typing import Any

import pandas as pd

from vfl_jax import evaluate
from vfl_jax import tables

PAIR = ["data", "model"]
PARTS = ("bottom", "top", "path")


def read(workdir: str | os.PathLike[str]) -> None:
  """The tables "depth", "curves" and "findings"."""
  frame = flat(tables.read(workdir, "all_information"))
  rows = correlations(frame)
  tables.write(workdir, "depth", rows)
  tables.write(workdir, "curves", curves(frame))
  tables.write(workdir, "findings", findings(pd.DataFrame(rows)))


def flat(frame: pd.DataFrame) -> pd.DataFrame:
  """I(T;Y) of whole layers at the end of the training."""
  last = frame.groupby(PAIR)["epoch"].transform("max")
  return frame[
    (frame["quantity"] == "I(T;Y)")
    & (frame["form"] == "flat")
    & (frame["epoch"] == last)
  ]


def correlations(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Rank correlations of depth and information, a row for each pair.

  Args:
    frame: of `flat`.

  Returns:
    The pair, estimator, samples ("trained on", "held out"); of the bottoms
    (mean over parties), of the top and of the whole path (mean over parties)
    the Spearman correlation with its interval over seeds (columns PART,
    PART_low, PART_high); input, cut and output: information as a share of H(Y);
    marked, the share of estimates that carry a warning; seeds, n.
  """
  rows = []
  for key, part in frame.groupby([*PAIR, "estimator", "samples"], sort=False):
    by_seed = [_seed(own) for _, own in part.groupby("seed")]
    found = pd.DataFrame(by_seed)
    row = dict(zip([*PAIR, "estimator", "samples"], key, strict=True))
    for name in PARTS:
      values = found[name].dropna().tolist()
      mean, low, high = (
        evaluate.interval(values) if values else (float("nan"),) * 3
      )
      row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    row |= {k: found[k].mean() for k in ("input", "cut", "output")}
    warned = [str(w) not in ("", "nan") for w in part["warning"]]
    row |= {"marked": _mean(warned), "seeds": len(found), "n": part["n"].max()}
    rows.append(row)
  return rows


def _seed(frame) -> dict[str, float]:
  """Of one seed."""
  joint = frame[frame["party"] == "joint"].sort_values("layer")
  bottoms = [
    own.sort_values("layer")
    for party, own in frame.groupby("party")
    if party != "joint"
  ]
  paths = [pd.concat([own, joint]) for own in bottoms]
  entropy = frame["ceiling"].iloc[0]
  return {
    "bottom": _mean(map(_rank, bottoms)),
    "top": _rank(joint),
    "path": _mean(map(_rank, paths)),
    "input": _mean(own["nats"].iloc[0] for own in bottoms) / entropy,
    "cut": _mean(own["nats"].iloc[-1] for own in bottoms) / entropy,
    "output": joint["nats"].iloc[-1] / entropy if len(joint) else float("nan"),
  }


def _rank(layers) -> float:
  """Of three layers or more; NaN where there are fewer."""
  if len(layers) < 3:
    return float("nan")
  order = pd.Series(range(len(layers)))
  return order.corr(layers["nats"].reset_index(drop=True), method="spearman")


def _mean(values) -> float:
  """Of what is there."""
  known = [float(v) for v in values if v == v]
  return sum(known) / len(known) if known else float("nan")


def curves(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Information by depth as a share of H(Y), parties averaged.

  Returns:
    The pair, estimator, samples, place ("bottom" or "top"), depth (layers
    from the input, the merged cut layer behind the parties' own), stage, mean,
    low, high (over seeds), floor.
  """
  frame = frame.assign(
    place=["top" if p == "joint" else "bottom" for p in frame["party"]],
    share=frame["nats"] / frame["ceiling"],
    floor_share=frame["floor"] / frame["ceiling"],
  )
  rows = []
  keys = [*PAIR, "estimator", "samples", "place", "layer"]
  for key, part in frame.groupby(keys, sort=False):
    mean, low, high = evaluate.interval(
      part.groupby("seed")["share"].mean().tolist()
    )
    row: dict[str, Any] = dict(zip(keys, key, strict=True))
    depth = row.pop("layer") + (row["place"] == "top")
    rows.append(
      {
        **row,
        "depth": depth,
        "stage": part["stage"].iloc[0],
        "mean": mean,
        "low": low,
        "high": high,
        "floor": part["floor_share"].mean(),
      }
    )
  return rows


def findings(rows: pd.DataFrame) -> list[dict[str, str]]:
  """The paper's claim, by estimator, on rows held out and rows trained on."""
  said = []
  for (estimator, samples), part in rows.groupby(
    ["estimator", "samples"], sort=False
  ):
    counts = {name: _counted(part, name) for name in PARTS}
    grows, falls, n = counts["path"]
    said.append(
      {
        "text": f"By {estimator} on rows {samples}, information about the "
        f"labels grows with depth along the whole path in {grows} of {n} "
        f"pairs, and falls in {falls}",
        "detail": "95 % interval of the rank correlation over seeds on one "
        "side of zero; within bottoms "
        + "; within tops ".join(
          f"it grows in {counts[k][0]} and falls in {counts[k][1]} of "
          f"{counts[k][2]}"
          for k in ("bottom", "top")
        )
        + f"; in the median {part['input'].median():.2f} of H(Y) at the input, "
        f"{part['cut'].median():.2f} at the cut, {part['output'].median():.2f} "
        f"behind the last layer; {_mean(part['marked']):.0%} of the estimates "
        "carry a warning",
      }
    )
  return said


def _counted(part, name):
  known = part.dropna(subset=[f"{name}_low"])
  grows = int((known[f"{name}_low"] > 0).sum())
  falls = int((known[f"{name}_high"] < 0).sum())
  return grows, falls, len(known)
