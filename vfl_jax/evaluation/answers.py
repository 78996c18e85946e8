"""The inferences of attacks and controls, as answers that can be scored."""

from collections.abc import Sequence
import itertools

import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import scoring
from vfl_jax.federation import views
from vfl_jax.results import tables


def of(
  f: views.Federation,
  attack: str,
  what: str,
  party: int | str,
  inference: base.Inference,
  details: Sequence[str],
  names: Sequence[str] = (),
) -> list[scoring.Answer]:
  """One answer per trial, with training scores in the order of all rows.

  An inference with choices gives a second answer, marked as the oracle.

  Args:
    f: the federation.
    attack: label of the attack.
    what: what has answered, see `scoring.Answer`.
    party: party or coalition, see `cases.named`.
    inference: scores of all trials, which are the first axis.
    details: details in words, one text per trial.
    names: names of the answers of the control "features only".
  """
  answers = []
  rows = inference.rows
  named_scores = [(attack, inference.train, inference.test)]
  if inference.choices is not None:
    named_scores.append((attack + tables.ORACLE, *inference.choices))
  elif what in ("features only", "chosen features only", "ceiling"):
    named_scores.append(
      (attack + tables.ORACLE, inference.train, inference.test)
    )
  for (name, *both), (trial, detail) in itertools.product(
    named_scores, enumerate(details)
  ):
    train, test = (None if s is None else np.asarray(s[trial]) for s in both)
    if rows is not None and train is not None:
      shape = *train.shape[:-2], len(f.dataset.train.ids), train.shape[-1]
      spread = np.full(shape, np.nan, train.dtype)
      spread[..., np.asarray(rows[trial]), :] = train
      train = spread
    offered = names if what == "features only" else ()
    answers.append(
      scoring.Answer(name, what, party, trial, train, test, detail, offered)
    )
  return answers


def details(
  attack: base.Attack, inference: base.Inference, count: int
) -> list[str]:
  """The details that an attack reports, in words, one text per trial.

  Args:
    attack: the attack.
    inference: what it inferred in all trials, which are the first axis.
    count: number of trials.
  """
  texts = []
  for trial in range(count):
    words = []
    for key, values in inference.details.items():
      names = attack.names.get(key)
      value = values[trial]
      words.append(names[int(value)] if names else f"{key} {value:.3g}")
    texts.append("; ".join(words))
  return texts
