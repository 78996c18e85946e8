"""What a coalition answers: by all it has, or as its strongest member would.

What one member knows can drown in what the others have. A coalition that knows
a few labels can see that, and leave the others out.
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import metrics

# `infer(attack, keys, view) -> inference` of all trials
Infer = Callable[[base.Attack, jax.Array, base.View], base.Inference]
CHOICE = "by"  # name of the detail that says who answers


def named(attack: base.Attack, members: Sequence[int]) -> base.Attack:
  """The attack with names for who answers in an adversary's place.

  Args:
    attack: the attack.
    members: numbers of the coalition's parties.
  """
  who = ["all together", *(f"party {k} alone" for k in members)]
  return attack._replace(names={**attack.names, CHOICE: who})


def infer(
  attack: base.Attack, keys: jax.Array, views: Sequence[base.View], run: Infer
) -> base.Inference:
  """Answers of an adversary in all trials.

  A single party answers itself. Of a coalition, in each trial the answer is
  that of all together or of one member, whichever names more of the known
  samples that it was not told; that of all together in a tie. Where an attack
  says how it did on samples that it held out itself, that counts. With one
  known sample of each class nothing can be held out, and all answer together.

  Args:
    attack: the attack.
    keys: one random key per trial.
    views: what the adversary saw, then what each member of a coalition saw.
    run: runs the attack on a view.

  Returns:
    The inference; of a coalition with the detail "by": 0 for all together, 1
    for the first member, and so on.
  """
  candidates = [run(attack, keys, view) for view in views]
  if len(candidates) == 1:
    return candidates[0]
  scores = np.stack(
    [
      _held_out(attack, keys, view, answer, run)
      for view, answer in zip(views, candidates, strict=True)
    ]
  )
  best = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=0)
  trials = np.arange(len(best))

  def of_the_best(*leaves):
    return np.stack(leaves)[best, trials]

  picked = jax.tree.map(
    of_the_best, *(c._replace(choices=None) for c in candidates)
  )
  return picked._replace(
    details={**picked.details, CHOICE: best}, choices=candidates[0].choices
  )


def _held_out(attack, keys, view, answer, run):
  """Score on known samples that were held out, `[trials]`."""
  if "validation" in answer.details:
    return answer.details["validation"]
  trial, classes = view.trial, view.public.num_classes
  rows = np.asarray(trial.aux_rows)
  if "auxiliary" not in attack.needs:
    return _score(attack, answer, rows, np.asarray(trial.aux_labels))
  per_class = rows.shape[1] // classes
  if per_class < 2:
    return np.zeros(len(rows))
  by_class = rows.reshape(-1, classes, per_class)
  labels = np.asarray(trial.aux_labels).reshape(by_class.shape)
  total = np.zeros(len(rows))
  for told in (slice(0, None, 2), slice(1, None, 2)):
    kept = slice(1 - told.start, None, 2)
    pick = lambda a, part: a[..., part].reshape(len(a), -1)
    some = trial._replace(
      aux_rows=pick(by_class, told), aux_labels=pick(labels, told)
    )
    held_out = run(attack, keys, view._replace(trial=some))
    total += _score(attack, held_out, pick(by_class, kept), pick(labels, kept))
  return total / 2


def _score(attack, answer, rows, labels):
  """Accuracy, or AUC of an attack that ranks, on training rows by trial.

  Of rows without an answer chance is right.
  """
  classes = answer.train.shape[-1]
  metric, chance = ("auc", 0.5) if attack.ranks else ("accuracy", 1 / classes)
  found = np.full(len(rows), chance)
  for trial, (asked, wanted) in enumerate(zip(rows, labels, strict=True)):
    if answer.rows is not None:
      asked = np.searchsorted(np.asarray(answer.rows[trial]), asked)
    scores = np.asarray(answer.train[trial], np.float64)[asked]
    spoken = np.isfinite(scores).all(1)
    if len(np.unique(wanted[spoken])) > 1:
      value = metrics.score(metric, scores[spoken], wanted[spoken])
      found[trial] += spoken.mean() * (value - chance)
  return found
