"""Scores of attacks and controls: metrics, intervals, leakage advantage."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

from vfl_jax import types

CONTROLS = ("prior", "no-VFL", "features only")
MANY = 20  # classes from which the first five guesses count too


class Answer(NamedTuple):
  """Scores of one attack or control, by one party, in one trial.

  Attributes:
    attack: its name.
    what: "attack", "no-VFL", "features only" or "ceiling".
    party: whose.
    trial: seed * draws + auxiliary draw.
    train: `[n, classes]` of all training rows, NaN for those not spoken of;
      `[k, n, classes]` is k answers, of which the best counts.
    test: of all test rows; None for nothing, as `train`.
    detail: what it says of itself.
  """

  attack: str
  what: str
  party: int | str
  trial: int
  train: np.ndarray | None
  test: np.ndarray | None
  detail: str


def score(
  metric: str,
  scores: Shaped[np.ndarray, "rows classes"],
  labels: Integer[np.ndarray, " rows"],
) -> float:
  """One number for scores `[n, classes]` against labels `[n]`.

  Args:
    metric: "accuracy", "balanced_accuracy", "macro_f1" (over the classes that
      occur or are guessed), "top5" (classes that tie share their places), or
      "auc" (two classes; the score is the difference of the second column and
      the first).
    scores: higher is more likely.
    labels: the truth.

  Returns:
    The number; NaN without rows, where a score is not finite, or for an AUC of
    rows of one class.
  """
  from sklearn import metrics

  if not len(labels) or not np.isfinite(scores).all():
    return float("nan")
  if metric == "auc":
    if len(np.unique(labels)) < 2:
      return float("nan")
    return float(metrics.roc_auc_score(labels, scores[:, 1] - scores[:, 0]))
  if metric == "top5":
    own = np.take_along_axis(scores, labels[:, None], 1)
    ahead, tied = (scores > own).sum(1), (scores == own).sum(1)
    return float(np.mean(np.clip((5 - ahead) / tied, 0, 1)))
  guess = np.argmax(scores, -1)
  if metric == "macro_f1":
    return float(metrics.f1_score(labels, guess, average="macro"))
  if metric == "balanced_accuracy":
    recalls = [np.mean(guess[labels == c] == c) for c in np.unique(labels)]
    return float(np.mean(recalls))
  return float(np.mean(guess == labels))


def best(metric: str, scores: np.ndarray, labels: np.ndarray) -> float:
  """`score`; the highest one of answers `[k, n, classes]`, by an oracle."""
  if scores.ndim == 2:
    return score(metric, scores, labels)
  return max(score(metric, s, labels) for s in scores)


def metrics(classes: int) -> tuple[str, ...]:
  """What is reported of decisions about so many classes.

  >>> metrics(2), metrics(100)
  (('accuracy', 'macro_f1', 'auc'), ('accuracy', 'macro_f1', 'top5'))
  """
  more = ("auc",) * (classes == 2) + ("top5",) * (classes >= MANY)
  return ("accuracy", "macro_f1", *more)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
  """Mean and 95 % Student t interval over seeds; NaN bounds for one seed.

  >>> [round(v, 3) for v in interval([1.0, 2.0, 3.0])]
  [2.0, -0.484, 4.484]
  """
  from scipy import stats

  array = np.asarray(values, float)
  mean = float(array.mean())
  if len(array) < 2:
    return mean, float("nan"), float("nan")
  error = array.std(ddof=1) / np.sqrt(len(array))
  half = float(stats.t.ppf(0.975, len(array) - 1) * error)
  return mean, mean - half, mean + half


def table(
  answers: Sequence[Answer],
  attacks: Mapping[str, types.Attack],
  labels: Mapping[str, np.ndarray],
  aux_rows: np.ndarray,
  shares: np.ndarray,
  draws: int,
  metric: str,
  recorded: np.ndarray | None = None,
) -> list[dict[str, Any]]:
  """Tidy rows of all answers, controls on the rows the attack speaks about.

  Of an attack that abstains also macro-averaged precision, and recall over
  all rows that it could have spoken of.

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
      names = {primary} if ranks else {primary, *metrics(len(shares))}
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
            "value": best(name, values, truth),
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


def gains(group: Any) -> tuple[Any, str, Any]:
  """Attack minus its strongest control, of one attack, party and metric.

  Args:
    group: a data frame with columns seed, draw, what and value.

  Returns:
    The values by trial and what they are of, the control with the highest mean
    over trials, and the gain over it by seed, auxiliary draws averaged.
  """
  table = group.pivot(index=["seed", "draw"], columns="what", values="value")
  strongest = table[[c for c in CONTROLS if c in table]].mean().idxmax()
  gain = table["attack"] - table[strongest]
  return table, strongest, gain.dropna().groupby("seed").mean()


def advantage(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  """Leakage advantage: attack minus its strongest control, paired by trial.

  The strongest control is the one with the highest mean over trials. The
  interval is over seeds, whose auxiliary draws are averaged first (they share
  a federation): a single seed has none, however many its draws.

  Returns:
    Tidy rows: attack, rule (its name in the registry), party, rows, metric,
    primary, attack_score, control, control_score, ceiling_score (NaN for none),
    advantage, low, high (95 %), seeds, draws, n, lost (trials in which the
    attack gave no answer: they are in none of the numbers).
  """
  import pandas as pd

  if not rows:
    return []
  frame = pd.DataFrame(rows).dropna(subset=["value"])
  results = []
  frame = frame[~frame["metric"].isin(["precision", "recall"])]
  trials = len(frame.drop_duplicates(["seed", "draw"]))
  groups = frame.groupby(["attack", "party", "rows", "metric"], sort=False)
  for (attack, party, where, metric), group in groups:
    table, strongest, seeds = gains(group)
    mean, low, high = interval(seeds.tolist())
    results.append(
      {
        "attack": attack,
        "rule": group["rule"].iloc[0] if "rule" in group else attack,
        "party": party,
        "rows": where,
        "metric": metric,
        "primary": bool(group["primary"].iloc[0]),
        "attack_score": table["attack"].mean(),
        "control": strongest,
        "control_score": table[strongest].mean(),
        "ceiling_score": (
          table["ceiling"].mean() if "ceiling" in table else float("nan")
        ),
        "advantage": mean,
        "low": low,
        "high": high,
        "seeds": len(seeds),
        "draws": len(table) // len(seeds),
        "n": int(group["n"].mean()),
        "lost": trials - len(table),
      }
    )
  return results
