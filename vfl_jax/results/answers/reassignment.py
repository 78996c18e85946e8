"""What attacks find when the task has less and less to do with the features.

Cells are labelled by data and task.
"""

import os
from typing import Any

import numpy as np
import pandas as pd

from vfl_jax.results import advantage
from vfl_jax.results.answers import cells as answer_cells
from vfl_jax.results import intervals
from vfl_jax.results import tables

CELL = ["data", "task"]
LEARNED = 0.9  # share of the possible gain from which a task is learned
ROOM = 0.05  # least possible gain over guessing of which a share is told


def read(workdir: str | os.PathLike[str]) -> None:
  """Write the tables "reassignment" and "findings" of a study."""
  names = ("main", "leakage", "attacks", "alignment")
  rows = measured(**{n: tables.read(workdir, f"all_{n}") for n in names})
  tables.write(workdir, "reassignment", rows)
  tables.write(workdir, "findings", findings(pd.DataFrame(rows)))


def measured(
  main: pd.DataFrame,
  leakage: pd.DataFrame,
  attacks: pd.DataFrame,
  alignment: pd.DataFrame,
) -> list[dict[str, Any]]:
  """One row per cell; all tables have the columns of `CELL`.

  Args:
    main: scores of the main task.
    leakage: advantages of the attacks.
    attacks: the scores that the advantages come from.
    alignment: scores of learners without a federation, as
      `evaluation.alignment` gives them.

  Returns:
    Rows with these columns:
    - metric; utility with its interval, on test rows.
    - prior: score of the best guess without features.
    - ceiling: score that a sum of the parties' classifiers allows; NaN where
      there is none. learned, with learned_low and learned_high: the share of
      (ceiling - prior) that the utility gains over the prior.
    - informative, clusters: scores of a learner with all labels and of a
      clustering, minus the prior; the largest of the passive parties.
    - few_labels: score of the features-only control minus the prior.
    - score, control, advantage, low, high, attack and party of the strongest
      attack on embeddings (prefix "embeddings_" on test rows, "train_" on
      training rows), by gradients ("gradients_") and by clustering
      ("clustering_").
    - attacks: number of attacks on embeddings, over parties, on test rows;
      held: number of them at or below their control by the equivalence test;
      leaking, unclear: names of those significantly above it, and of the rest.
  """
  rows = []
  utilities = main[(main["rows"] == "test") & main["primary"]]
  for cell, utility in utilities.groupby(CELL, sort=False):
    of_cell = {
      name: frame[(frame[CELL] == list(cell)).all(axis=1)]
      for name, frame in (
        ("leakage", leakage),
        ("attacks", attacks),
        ("alignment", alignment),
      )
    }
    leaks = of_cell["leakage"][of_cell["leakage"]["primary"]]
    leaks = leaks[~leaks["attack"].map(advantage.is_oracle)]
    kind = leaks["rule"].map(answer_cells.family)
    # cut gradients are of training rows only
    tested = set(leaks.loc[leaks["rows"] == "test", "attack"])
    by_embeddings = leaks["attack"].isin(tested)
    embeddings = leaks[by_embeddings]
    leaks, kind = leaks[~by_embeddings], kind[~by_embeddings]
    task = answer_cells.main_task(utility)
    utilities_by_seed = task.pop("utilities")
    known = _known(of_cell["attacks"])
    ceilings = _ceilings(of_cell["alignment"])
    rows.append(
      {
        **dict(zip(CELL, cell, strict=True)),
        **task,
        **_aligned(of_cell["alignment"], set(embeddings["party"])),
        **known,
        **_learned(utilities_by_seed, ceilings, known["prior"]),
        **_held(embeddings[embeddings["rows"] == "test"]),
        **_strongest("embeddings", embeddings, "test"),
        **_strongest("train", embeddings, "train"),
        **_strongest("gradients", leaks[kind == "gradient"], "train"),
        **_strongest("clustering", leaks[kind == "clustering"], "train"),
      }
    )
  return rows


def _aligned(alignment, passive):
  """Scores of learners without a federation, above chance."""
  above = alignment["value"] - alignment["chance"]
  scores = alignment.assign(above=above)
  means = scores[scores["party"].isin(passive)].groupby(["quantity", "party"])
  theirs = means["above"].mean().groupby(level=0).max()
  return {
    "informative": theirs.get("informativeness", float("nan")),
    "clusters": theirs.get("clusters", float("nan")),
  }


def _ceilings(alignment):
  """Ceilings, one for each data split; empty where the task has none."""
  return alignment.loc[alignment["quantity"] == "ceiling", "value"].to_numpy()


def _learned(utilities, ceilings, prior) -> dict[str, float]:
  """The gain over the prior as a share of what is possible: a ratio of means.

  Its interval is that of the deviations from it, over seeds.
  """
  names = ("ceiling", "learned", "learned_low", "learned_high")
  none: dict[str, float] = dict.fromkeys(names, float("nan"))
  if not len(ceilings):
    return none
  if len(ceilings) not in (1, len(utilities)):
    ceilings = ceilings.mean()
  room = ceilings - prior
  none["ceiling"] = float(np.mean(ceilings))
  if not np.mean(room) >= ROOM:
    return none
  gain = utilities.to_numpy() - prior
  share = float(np.mean(gain) / np.mean(room))
  half = intervals.half_width(gain - share * room) / float(np.mean(room))
  return none | {
    "learned": share,
    "learned_low": share - half,
    "learned_high": share + half,
  }


def _known(attacks) -> dict[str, float]:
  """Scores of guessing and of few labels on test rows, without a federation."""
  scores = attacks[attacks["primary"] & (attacks["rows"] == "test")]
  means = scores.groupby(["what", "party"])["value"].mean()
  best = {what: by_party.max() for what, by_party in means.groupby(level=0)}
  prior = best.get("prior", float("nan"))
  return {
    "prior": prior,
    "few_labels": best.get("features only", float("nan")) - prior,
  }


def _held(leaks):
  """The number of attacks at their control, and the others by name."""
  counts: dict[str, Any] = {"attacks": 0, "held": 0}
  others: dict[str, list[str]] = {"leaking": [], "unclear": []}
  for row in leaks.dropna(subset=["low"]).to_dict("records"):
    counts["attacks"] += 1
    name = f"{row['attack'].replace('_', ' ')} by party {row['party']}"
    if row["low"] > 0:
      others["leaking"].append(name)
    elif row["high"] <= advantage.MARGIN:
      counts["held"] += 1
    else:
      others["unclear"].append(name)
  return counts | {k: ", ".join(names) for k, names in others.items()}


def _strongest(prefix, leaks, rows):
  """Columns, with a prefix, of the attack with the largest advantage."""
  candidates = leaks[leaks["rows"] == rows].dropna(subset=["advantage"])
  facts: dict[str, Any] = dict.fromkeys(
    ("score", "control", "advantage", "low", "high"), float("nan")
  ) | {"attack": "", "party": ""}
  if len(candidates):
    top = candidates.loc[candidates["advantage"].idxmax()]
    facts = {
      "score": top["attack_score"],
      "control": top["control_score"],
      **{k: top[k] for k in ("advantage", "low", "high", "attack", "party")},
    }
  return {f"{prefix}_{name}": value for name, value in facts.items()}


def findings(cells: pd.DataFrame) -> list[dict[str, str]]:
  """Sentences on the paper's claim, one or two for each data set."""
  sentences = []
  for data, data_cells in cells.groupby("data", sort=False):
    name = str(data).replace("_", " ")
    tasks = data_cells.set_index("task")
    if {"identity", "cross"} <= set(tasks.index):
      sentences.append(
        _crossed(name, tasks.loc["identity"], tasks.loc["cross"])
      )
    if len(data_cells) > 3:
      sentences.append(_related(name, data_cells))
  return sentences


def _crossed(name, natural, crossed):
  return {
    "text": f"On {name}, the crossed task {_how_far(crossed)}; "
    f"{crossed['held']} of {crossed['attacks']} attacks on embeddings (test "
    "rows, by party) are shown to be at or below their control there, "
    f"{natural['held']} of {natural['attacks']} on the natural task",
    "detail": _named("above it", crossed["leaking"])
    + _named("not told", crossed["unclear"])
    + f"the strongest scores {crossed['embeddings_score']:.3f}, advantage "
    f"{_between(crossed)}; on the natural task "
    f"{natural['embeddings_score']:.3f}, advantage {_between(natural)}",
  }


def _how_far(crossed):
  """How far a task is learned, in words."""
  allowed = (
    f"{crossed['ceiling']:.3f} that the parties' own classifiers allow, where "
    f"guessing has {crossed['prior']:.3f}"
  )
  if crossed["learned"] != crossed["learned"]:
    utility = f"test {crossed['utility']:.3f}"
    return f"leaves nothing to learn ({utility} of the {allowed})"
  low, high = crossed["learned_low"], crossed["learned_high"]
  share = f"{crossed['learned']:.0%}"
  if low == low:
    share += f" [{low:.0%}, {high:.0%}]"
  told = "may or may not be learned as far as it could be"
  if low >= LEARNED:
    told = "is learned"
  elif high < LEARNED:
    told = "is not learned as far as it could be"
  return (
    f"{told} (test {crossed['utility']:.3f}: {share} of the gain up to the "
    f"{allowed})"
  )


def _named(what, names):
  return f"{what}: {names}; " if isinstance(names, str) and names else ""


def _related(name, data_cells):
  """How attack scores and advantages correlate with alignment, in words."""
  score = data_cells["embeddings_score"] - data_cells["prior"]
  gain = data_cells["embeddings_advantage"]
  raw = data_cells["few_labels"].corr(score, method="spearman")
  net = data_cells["few_labels"].corr(gain, method="spearman")
  return {
    "text": f"On {name}, over {len(data_cells)} tasks, what attacks score goes "
    "with what few labels find in the features alone (rank correlation "
    f"{raw:+.2f}), and what the federation adds to it with {net:+.2f}",
    "detail": "alignment: the features-only control above the prior",
  }


def _between(row):
  if row["embeddings_low"] != row["embeddings_low"]:
    return f"{row['embeddings_advantage']:+.3f} (one seed)"
  return (
    f"{row['embeddings_advantage']:+.3f} [{row['embeddings_low']:+.3f}, "
    f"{row['embeddings_high']:+.3f}]"
  )
