"""Leakage by class: whose labels an attack finds that its controls do not."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import scoring
from vfl_jax.results import advantage
from vfl_jax.results import tables


def f1(
  scores: Float[np.ndarray, "rows classes"],
  labels: Integer[np.ndarray, " rows"],
) -> Float[np.ndarray, " classes"]:
  """F1 of each class; NaN for a class without a row.

  Args:
    scores: higher is more likely.
    labels: the truth.

  >>> f1(np.array([[1.0, 0.0, 0.0]] * 4), np.array([0, 0, 0, 1])).round(2)
  array([0.86, 0.  ,  nan])
  """
  classes = scores.shape[1]
  guess = scores.argmax(1)
  count = lambda of: np.bincount(of, minlength=classes).astype(float)
  true, named, right = (
    count(labels),
    count(guess),
    count(labels[guess == labels]),
  )
  return np.where(true > 0, 2 * right / np.maximum(true + named, 1), np.nan)


def table(
  answers: Sequence[scoring.Answer],
  attacks: Mapping[str, base.Attack],
  labels: Mapping[str, np.ndarray],
  aux_rows: np.ndarray,
  draws: int,
  metric: str,
) -> list[dict[str, Any]]:
  """Tidy rows: the F1 of each class by attacks that decide.

  In each trial the control of a class is the best of all controls in that
  class, which errs high; of a pool that learner counts which is best by the
  primary metric.

  Args:
    answers: see `scoring.table`.
    attacks: see `scoring.table`.
    labels: see `scoring.table`.
    aux_rows: see `scoring.table`.
    draws: number of draws of auxiliary samples per seed.
    metric: primary metric of decisions.

  Returns:
    Rows with the columns attack, party, seed, rows, class, attack_score,
    control_score (means over draws), n (rows of the class, on average).
  """
  covered = scoring.covered(answers, aux_rows)
  found: dict[Any, dict[str, np.ndarray]] = {}
  for a in answers:
    if attacks[a.attack].ranks or a.attack.endswith(tables.ORACLE):
      continue
    if a.what != "attack" and a.what not in advantage.CONTROLS:
      continue
    for where, scores in (("train", a.train), ("test", a.test)):
      counted = covered.get((a.attack, a.party, a.trial, where))
      if scores is None or counted is None or not len(counted):
        continue
      truth = labels[where][counted]
      if scores.ndim == 3:
        _, index = metrics.best(metric, scores[:, counted], truth)
        scores = scores[index]
      value = f1(scores[counted], truth)
      trial = found.setdefault((a.attack, a.party, where, a.trial), {})
      if a.what == "attack":
        trial["attack"] = value
        trial["n"] = np.bincount(truth, minlength=len(value))
      else:
        known = trial.get("control", value)
        trial["control"] = np.fmax(known, value)
  by_seed: dict[Any, list] = {}
  for (name, party, where, number), trial in found.items():
    if "attack" in trial and "control" in trial:
      key = name, party, number // draws, where
      by_seed.setdefault(key, []).append(trial)
  return [row for key, trials in by_seed.items() for row in _rows(key, trials)]


def _rows(key, trials) -> list[dict[str, Any]]:
  """The rows of one attack of one party in one seed."""
  names = dict(zip(("attack", "party", "seed", "rows"), key, strict=True))
  attack, control, counts = (
    np.mean([t[what] for t in trials], axis=0)
    for what in ("attack", "control", "n")
  )
  return [
    {**names, "class": int(c), "attack_score": float(attack[c])}
    | {"control_score": float(control[c]), "n": float(counts[c])}
    for c in np.flatnonzero(np.isfinite(attack))
  ]
