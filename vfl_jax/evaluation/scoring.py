"""Scores of attacks and controls: metrics, intervals, leakage advantage."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import metrics as evaluation_metrics


class Answer(NamedTuple):
  """Scores of one attack or control, by one party, in one trial.

  Attributes:
    attack: its name.
    what: "attack", "no-VFL", "features only" or "ceiling".
    party: whose.
    trial: seed * draws + auxiliary draw.
    train: `[n, classes]` of all training rows, NaN for those without an answer;
      `[k, n, classes]` is k answers, of which the best counts.
    test: of all test rows; None for nothing, as `train`.
    detail: what it reports, in words.
  """

  attack: str
  what: str
  party: int | str
  trial: int
  train: np.ndarray | None
  test: np.ndarray | None
  detail: str


def table(
  answers: Sequence[Answer],
  attacks: Mapping[str, base.Attack],
  labels: Mapping[str, np.ndarray],
  aux_rows: np.ndarray,
  shares: np.ndarray,
  draws: int,
  metric: str,
  recorded: np.ndarray | None = None,
) -> list[dict[str, Any]]:
  """Tidy rows of all answers, controls on the rows the attack covers.

  Of an attack that abstains also macro-averaged precision, and recall over
  all rows that it could have covered.

  Args:
    answers: of attacks, controls and ceilings.
    attacks: by name.
    labels: of "train" and "test".
    aux_rows: training rows given to the attacker, `[trials, m]`: not scored.
    shares: of the classes, for the prior.
    draws: of auxiliary samples per seed.
    metric: the primary one of decisions.
    recorded: training rows whose messages were recorded; None for all.
  """
  asked = np.arange(len(labels["train"])) if recorded is None else recorded
  covered: dict[Any, np.ndarray] = {}
  for a in answers:
    if a.what != "attack":
      continue
    for where, scores in (("train", a.train), ("test", a.test)):
      if scores is not None:
        finite = np.isfinite(scores.reshape(-1, *scores.shape[-2:]))
        rows = np.flatnonzero(finite.all((0, 2)))
        if where == "train":
          rows = np.setdiff1d(rows, aux_rows[a.trial])
        covered[a.attack, a.party, a.trial, where] = rows
  rows = []
  for a in answers:
    ranks = attacks[a.attack].ranks and len(shares) == 2
    primary = "auc" if ranks else metric
    for where, scores in (("train", a.train), ("test", a.test)):
      counted = covered.get((a.attack, a.party, a.trial, where))
      if scores is None or counted is None:
        continue
      if a.what == "attack" and attacks[a.attack].abstains and where == "train":
        every = np.setdiff1d(asked, aux_rows[a.trial])
        sure = _sure(scores[every], labels[where][every], len(shares))
        rows += [
          {**_row(a, where, draws), "what": "attack", "metric": name}
          | {"primary": False, "n": len(every), "value": value}
          for name, value in sure.items()
        ]
      if not len(counted):
        continue
      truth = labels[where][counted]
      answered = {a.what: scores[..., counted, :]}
      if a.what == "attack":
        answered["prior"] = np.tile(shares, (len(counted), 1))
      names = (
        {primary}
        if ranks
        else {primary, *evaluation_metrics.metrics(len(shares))}
      )
      for (what, values), name in (
        (pair, name) for pair in answered.items() for name in sorted(names)
      ):
        rows.append(
          {
            **_row(a, where, draws),
            "what": what,
            "metric": name,
            "primary": name == primary,
            "n": len(counted),
            "value": evaluation_metrics.best(name, values, truth),
            "detail": a.detail if what == a.what else "",
          }
        )
  return rows


def _row(answer, where, draws) -> dict[str, Any]:
  """What all numbers of an answer have in common."""
  return {
    "attack": answer.attack,
    "what": answer.what,
    "party": answer.party,
    "seed": answer.trial // draws,
    "draw": answer.trial % draws,
    "rows": where,
    "metric": "",
    "primary": False,
    "n": 0,
    "value": float("nan"),
    "detail": answer.detail,
  }


def _sure(scores, labels, classes) -> dict[str, float]:
  """Macro-averages where rows of NaN are of no class."""
  from sklearn import metrics

  spoken = np.isfinite(scores).all(1)
  guess = np.where(spoken, np.argmax(np.nan_to_num(scores), 1), classes)
  options = {
    "labels": np.unique(labels),
    "average": "macro",
    "zero_division": 0.0,
  }
  return {
    "precision": float(metrics.precision_score(labels, guess, **options)),
    "recall": float(metrics.recall_score(labels, guess, **options)),
  }
