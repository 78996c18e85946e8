"""Scores of attacks and controls: metrics, intervals, leakage advantage."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import metrics as evaluation_metrics


class Answer(NamedTuple):
  """Scores of one attack or control, by one party, in one trial.

  Attributes:
    attack: label of the attack.
    what: "attack", "no-VFL", "features only", "chosen features only" or
      "ceiling".
    party: party or coalition, see `cases.named`.
    trial: seed * draws + number of the auxiliary draw.
    train: scores of all training rows, `[n, classes]`, NaN for rows without an
      answer; `[k, n, classes]` holds k answers, of which the best counts; None
      if no training row is answered.
    test: scores of all test rows, like `train`.
    detail: details in words.
    names: names of the k answers; that of the best one becomes the detail.
  """

  attack: str
  what: str
  party: int | str
  trial: int
  train: np.ndarray | None
  test: np.ndarray | None
  detail: str
  names: Sequence[str] = ()


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
  """Tidy rows of all answers; controls are scored on the attack's rows.

  An attack that abstains is also scored by macro-averaged precision and recall,
  over all rows that it could have answered.

  Args:
    answers: answers of attacks, controls and ceilings.
    attacks: attacks by label.
    labels: labels of the "train" and "test" rows.
    aux_rows: training rows whose labels the attacker knows, `[trials, m]`; they
      are not scored.
    shares: class shares, for the prior, `[classes]`.
    draws: number of draws of auxiliary samples per seed.
    metric: primary metric of decisions.
    recorded: training rows whose messages were recorded; None for all.

  Returns:
    Rows with the columns of `leakage.Measured`.
  """
  asked = np.arange(len(labels["train"])) if recorded is None else recorded
  scored = covered(answers, aux_rows)
  rows = []
  best = _remembering()
  for a in answers:
    ranks = attacks[a.attack].ranks and len(shares) == 2
    primary = "auc" if ranks else metric
    for where, scores in (("train", a.train), ("test", a.test)):
      counted = scored.get((a.attack, a.party, a.trial, where))
      if scores is None or counted is None:
        continue
      if a.what == "attack" and attacks[a.attack].abstains and where == "train":
        coverable = np.setdiff1d(asked, aux_rows[a.trial])
        sure = _sure(scores[coverable], labels[where][coverable], len(shares))
        rows += [
          {**_row(a, where, draws), "what": "attack", "metric": name}
          | {"primary": False, "n": len(coverable), "value": value}
          for name, value in sure.items()
        ]
      if not len(counted):
        continue
      truth = labels[where][counted]
      names = (
        {primary, *evaluation_metrics.RANKING}
        if ranks
        else {primary, *evaluation_metrics.metrics(len(shares))}
      )
      if a.what == "attack":
        prior = np.tile(shares, (len(counted), 1))
        rows += [
          {**_row(a, where, draws), "what": "prior", "metric": name}
          | {"primary": name == primary, "n": len(counted), "detail": ""}
          | {"value": evaluation_metrics.score(name, prior, truth)}
          for name in sorted(names)
        ]
      for name in sorted(names):
        # an attack's choices are its own, a pool is that of all attacks
        whose = a.what, a.party, a.trial, where
        whose += () if len(a.names) else (a.attack,)
        value, index = best(name, scores, counted, truth, whose)
        rows.append(
          {
            **_row(a, where, draws),
            "metric": name,
            "primary": name == primary,
            "n": len(counted),
            "value": value,
            "detail": a.names[index] if len(a.names) else a.detail,
          }
        )
  return rows


def covered(
  answers: Sequence[Answer], aux_rows: np.ndarray
) -> dict[tuple, np.ndarray]:
  """The rows that an attack answers and does not know, which are scored.

  Args:
    answers: answers of attacks; those of controls are passed over.
    aux_rows: training rows whose labels the attacker knows, `[trials, m]`.

  Returns:
    Row numbers by attack, party, trial and "train" or "test".
  """
  found = {}
  for a in answers:
    if a.what != "attack":
      continue
    for where, scores in (("train", a.train), ("test", a.test)):
      if scores is None:
        continue
      finite = np.isfinite(scores.reshape(-1, *scores.shape[-2:]))
      rows = np.flatnonzero(finite.all((0, 2)))
      if where == "train":
        rows = np.setdiff1d(rows, aux_rows[a.trial])
      found[a.attack, a.party, a.trial, where] = rows
  return found


def _remembering():
  """`metrics.best` on some rows, cached for pools of controls.

  A pool is scored once for all attacks that cover the same rows.
  """
  values: dict[Any, tuple[float, int]] = {}

  def best(metric, scores, counted, truth, whose):
    if scores.ndim == 2:
      return evaluation_metrics.best(metric, scores[counted], truth)
    key = metric, whose, counted.tobytes()
    if key not in values:
      chosen = scores[:, counted]
      values[key] = evaluation_metrics.best(metric, chosen, truth)
    return values[key]

  return best


def _row(answer, where, draws) -> dict[str, Any]:
  """The columns that all rows of an answer have in common."""
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
  """Macro-averaged precision and recall; NaN rows count as no class."""
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
