"""Receiver operating characteristics of two classes, down to few errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import scoring
from vfl_jax.results import advantage
from vfl_jax.results import tables

# shares of the first class that are taken for the second
FALSE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def table(
  answers: Sequence[scoring.Answer],
  labels: Mapping[str, np.ndarray],
  aux_rows: np.ndarray,
  draws: int,
) -> list[dict[str, Any]]:
  """Tidy rows: the share of the second class that is found at few errors.

  Who infers a few labels with certainty is dangerous, and an AUC does not tell
  (Carlini et al. 2022, arXiv:2112.03570, of membership inference).

  Args:
    answers: see `scoring.table`; of a pool that learner counts which has the
      best AUC.
    labels: see `scoring.table`.
    aux_rows: see `scoring.table`.
    draws: number of draws of auxiliary samples per seed.

  Returns:
    Rows with the columns attack, party, seed, rows, what ("attack" or a
    control), false (one of `FALSE`), found (mean over draws), n. No rows
    where there are other than two classes.
  """
  covered = scoring.covered(answers, aux_rows)
  values: dict[Any, list[list[float]]] = {}
  counts: dict[Any, int] = {}
  for a in answers:
    wanted = ("attack", *advantage.CONTROLS)
    if a.what not in wanted or a.attack.endswith(tables.ORACLE):
      continue
    for where, scores in (("train", a.train), ("test", a.test)):
      rows = covered.get((a.attack, a.party, a.trial, where), ())
      if scores is None or not len(rows) or scores.shape[-1] != 2:
        continue
      truth = labels[where][rows]
      if scores.ndim == 3:
        _, index = metrics.best("auc", scores[:, rows], truth)
        scores = scores[index]
      score = scores[rows, 1] - scores[rows, 0]
      key = a.attack, a.party, a.trial // draws, where, a.what
      found = [metrics.found(score, truth, share) for share in FALSE]
      values.setdefault(key, []).append(found)
      counts[key] = len(rows)
  names = ("attack", "party", "seed", "rows", "what")
  return [
    {**dict(zip(names, key, strict=True)), "false": share}
    | {"found": float(found), "n": counts[key]}
    for key, trials in values.items()
    for share, found in zip(FALSE, np.mean(trials, axis=0), strict=True)
  ]
