"""Whether information about the labels grows with depth, pair by pair.

Cells are labelled by data and model. A path leads from the input of one party
through its bottom to the cut, and on through the top; the merge, where the
other parties join, is a step in it. Jointly, the layers of all parties form
one chain: below the cut they are put side by side.
"""

from collections.abc import Mapping
import os
from typing import Any

import pandas as pd

from vfl_jax.results import intervals
from vfl_jax.results import tables

PAIR = ["data", "model"]
PARTS = ("bottom", "joint", "path")


def read(workdir: str | os.PathLike[str]) -> None:
  """Write the tables "depth", "curves" and "findings" of a study."""
  frame = flat(tables.read(workdir, "all_information"))
  rows = correlations(frame)
  tables.write(workdir, "depth", rows)
  tables.write(workdir, "curves", curves(frame))
  tables.write(workdir, "findings", findings(pd.DataFrame(rows)))


def flat(frame: pd.DataFrame) -> pd.DataFrame:
  """Rows about I(T;Y) of whole (unpooled) layers at the end of training."""
  last = frame.groupby(PAIR)["epoch"].transform("max")
  return frame[
    (frame["quantity"] == "I(T;Y)")
    & (frame["form"] == "flat")
    & (frame["epoch"] == last)
  ]


def correlations(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Rank correlations of depth and information, one row per pair.

  Args:
    frame: estimates as `flat` gives them.

  Returns:
    Rows with the columns of `PAIR` and:
    - estimator; samples ("trained on" or "held out").
    - for each PART of `PARTS` (bottom and path are means over parties) the
      Spearman correlation with its interval over seeds (PART, PART_low,
      PART_high), and the information of the last layer minus that of the first,
      as a share of H(Y) (PART_gain, PART_gain_low, PART_gain_high).
    - input, cut (of a party), output: information as a share of H(Y).
    - marked: share of the estimates that carry a warning; seeds; n.
  """
  rows = []
  for key, group in frame.groupby([*PAIR, "estimator", "samples"], sort=False):
    by_seed = [_seed(estimates) for _, estimates in group.groupby("seed")]
    summaries = pd.DataFrame(by_seed)
    row = dict(zip([*PAIR, "estimator", "samples"], key, strict=True))
    for name in [*PARTS, *(f"{place}_gain" for place in PARTS)]:
      values = summaries[name].dropna().tolist()
      mean, low, high = (
        intervals.interval(values) if values else (float("nan"),) * 3
      )
      row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    row |= {k: summaries[k].mean() for k in ("input", "cut", "output")}
    warned = [str(w) not in ("", "nan") for w in group["warning"]]
    row |= {
      "marked": _mean(warned),
      "seeds": len(summaries),
      "n": group["n"].max(),
    }
    rows.append(row)
  return rows


def _seed(frame) -> dict[str, float]:
  """Correlations, gains and shares of one seed."""
  joint = frame[frame["party"] == "joint"].sort_values("layer")
  bottoms = [
    bottom.sort_values("layer")
    for party, bottom in frame.groupby("party")
    if party != "joint"
  ]
  cut = max(bottom["layer"].max() for bottom in bottoms)
  above = joint[joint["layer"] > cut]
  paths = [pd.concat([bottom, above]) for bottom in bottoms]
  entropy = frame["ceiling"].iloc[0]
  gain = lambda layers: (
    (layers["nats"].iloc[-1] - layers["nats"].iloc[0]) / entropy
    if len(layers) > 1
    else float("nan")
  )
  return {
    "bottom": _mean(map(_rank, bottoms)),
    "path": _mean(map(_rank, paths)),
    "joint": _rank(joint),
    "bottom_gain": _mean(map(gain, bottoms)),
    "path_gain": _mean(map(gain, paths)),
    "joint_gain": gain(joint),
    "input": _mean(bottom["nats"].iloc[0] for bottom in bottoms) / entropy,
    "cut": _mean(bottom["nats"].iloc[-1] for bottom in bottoms) / entropy,
    "output": joint["nats"].iloc[-1] / entropy if len(joint) else float("nan"),
  }


def _rank(layers) -> float:
  """Spearman correlation of depth and nats; NaN for fewer than three layers."""
  if len(layers) < 3:
    return float("nan")
  order = pd.Series(range(len(layers)))
  return order.corr(layers["nats"].reset_index(drop=True), method="spearman")


def _mean(values) -> float:
  """Mean of the values that are not NaN; NaN if all are."""
  present = [float(v) for v in values if v == v]
  return sum(present) / len(present) if present else float("nan")


def curves(frame: pd.DataFrame) -> list[dict[str, Any]]:
  """Information by depth as a share of H(Y), averaged over parties.

  Args:
    frame: estimates as `flat` gives them.

  Returns:
    Rows with the columns of `PAIR`, estimator, samples, place ("bottom" or
    "joint"), layer, stage, mean, low and high (interval over seeds) and floor
    (the estimate for permuted labels).
  """
  frame = frame.assign(
    place=["joint" if p == "joint" else "bottom" for p in frame["party"]],
    share=frame["nats"] / frame["ceiling"],
    floor_share=frame["floor"] / frame["ceiling"],
  )
  rows = []
  keys = [*PAIR, "estimator", "samples", "place", "layer"]
  for key, group in frame.groupby(keys, sort=False):
    mean, low, high = intervals.interval(
      group.groupby("seed")["share"].mean().tolist()
    )
    rows.append(
      {
        **dict(zip(keys, key, strict=True)),
        "stage": group["stage"].iloc[0],
        "mean": mean,
        "low": low,
        "high": high,
        "floor": group["floor_share"].mean(),
      }
    )
  return rows


def findings(rows: pd.DataFrame) -> list[dict[str, str]]:
  """Sentences on the paper's claim, by estimator and kind of rows.

  Args:
    rows: rows as `correlations` gives them.
  """
  sentences = []
  for (estimator, samples), group in rows.groupby(
    ["estimator", "samples"], sort=False
  ):
    counts = {name: _counted(group, name) for name in PARTS}
    (grows, falls, n), joint = counts["bottom"], counts["joint"]
    first = (
      f"By {estimator} on rows {samples}, information about the labels grows "
      f"with depth within a party in {grows} of {n} pairs, and falls in "
      f"{falls}; of all parties together it grows in {joint[0]} of {joint[2]} "
      f"and falls in {joint[1]}"
    )
    if not n:
      first = f"By {estimator} on rows {samples}: one seed cannot tell"
    sentences.append(
      {
        "text": first,
        "detail": "by the 95 % intervals over seeds of the rank correlation "
        "and of the last layer minus the first, both on one side of zero; "
        "along a party's path, with the step at the merge, it grows in "
        f"{counts['path'][0]} and falls in {counts['path'][1]} of "
        f"{counts['path'][2]}; in the median "
        f"{group['input'].median():.2f} of H(Y) at a party's "
        f"input, {group['cut'].median():.2f} at its cut, "
        f"{group['output'].median():.2f} behind the last layer; "
        f"{_mean(group['marked']):.0%} of the estimates carry a warning",
      }
    )
  return sentences


def verdict(row: Mapping[str, Any], part: str) -> str:
  """Whether information grows with depth: "grows", "falls", "not told".

  Rank correlations of a few layers take few values, and their intervals may
  have no width; the gain therefore must have the same sign.

  Args:
    row: a row of `correlations`.
    part: one of "bottom", "joint", "path".

  Returns:
    The verdict that both 95 % intervals support; "" for a single seed.
  """
  ranks, gains = (
    (row[f"{name}_low"], row[f"{name}_high"]) for name in (part, f"{part}_gain")
  )
  if any(end != end for end in (*ranks, *gains)):
    return ""
  if ranks[0] > 0 and gains[0] > 0:
    return "grows"
  return "falls" if ranks[1] < 0 and gains[1] < 0 else "not told"


def _counted(pairs, name):
  """Numbers of pairs in which information grows, falls, and has a verdict."""
  verdicts = [verdict(row, name) for row in pairs.to_dict("records")]
  return (
    verdicts.count("grows"),
    verdicts.count("falls"),
    sum(map(bool, verdicts)),
  )
