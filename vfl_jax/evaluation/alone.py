"""The strongest control: an adversary that has no federation.

It has its features and the same few labels. The pool of learners does not
depend on the cut, the defence or the training, so its scores are kept on disk
for all cells of a study.
"""

import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import models
from vfl_jax.attacks import base
from vfl_jax.evaluation import cases
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import learners
from vfl_jax.evaluation import trials
from vfl_jax.federation import split
from vfl_jax.federation import views
from vfl_jax.runtime import axes
from vfl_jax.runtime import kept
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

_PACKAGE = pathlib.Path(__file__).parents[1]
# source files that the learner from scratch depends on
_SOURCES = sorted(
  str(path)
  for pattern in (
    "models/*.py",
    "attacks/completion*.py",
    "attacks/semi_supervised.py",
    "evaluation/alone.py",
    "evaluation/controls.py",
    "evaluation/trials.py",
    "federation/split.py",
    "runtime/*.py",
  )
  for path in _PACKAGE.glob(pattern)
)


class Scratch(NamedTuple):
  """A learner that trains the whole architecture of a party from scratch.

  Attributes:
    attack: trains a bottom that it is given, with few labels.
    model: the architecture, as it is without any defence.
    content: its name, options and precision as text, by which scores are kept
      on disk; empty where that does not tell models apart.
  """

  attack: base.Attack
  model: models.Model
  content: str


class Scores(NamedTuple):
  """Scores of one learner.

  Attributes:
    train: scores of the training rows, `[trials, rows, classes]`.
    test: scores of the test rows, `[trials, rows, classes]`.
  """

  train: np.ndarray
  test: np.ndarray


def pool(
  case: cases.Case,
  members: tuple[int, ...],
  view: base.View,
  scratch: Scratch | None,
) -> learners.Scores:
  """Scores of all learners in all trials.

  Args:
    case: the measurement.
    members: numbers of the adversary's parties.
    view: the adversary's view; only its features and known labels are used.
    scratch: a further learner, or None.
  """
  vectors = [
    np.asarray(trees.vectors(x, view.public.vocabulary))
    for x in (view.shared.train, view.shared.test)
  ]
  scores = learners.of(
    *vectors, case.aux_rows, case.aux_labels, view.public.num_classes
  )
  if scratch is None:
    return scores
  case.advance(f"party {cases.named(members)}: from scratch")
  scratch_scores = _from_scratch(case, members, view, scratch)
  return learners.joined(scores, "MixMatch from scratch", *scratch_scores)


def _from_scratch(case, members, view, scratch) -> Scores:
  """Scores of the bottom at the reference cut, trained from random weights."""
  f, model = case.f, scratch.model
  net = split.at(model, model.reference_cut, f.net.parties)

  def compute():
    public = view.public._replace(
      bottom=split.joint(net.bottom, len(members)), cut=net.cut
    )
    bottom = untrained(f, net, members, case.draws)
    seen = view._replace(
      public=public, trial=view.trial._replace(bottom=bottom, recorded={})
    )
    whose = f"from scratch by {cases.named(members)}"
    keys = cases.streams(f, case.draws, whose)
    how = axes.method(model.convolutional)
    inference = trials.infer(scratch.attack, keys, seen, how)
    return Scores(inference.train, inference.test)

  content = [
    *jax.tree.leaves((view.shared.train, view.shared.test)),
    case.aux_rows,
    case.aux_labels,
    jax.random.key_data(f.keys),
    cases.named(members),
    scratch.content,
    scratch.attack.budget,
    jax.default_backend(),
  ]
  if not scratch.content:
    return compute()
  return kept.kept(Scores, compute, content, _SOURCES)


def untrained(
  f: views.Federation, net: split.Net, members: tuple[int, ...], draws: int
) -> Any:
  """Random bottom models that took part in no federation, for all trials.

  Args:
    f: the federation whose keys and features are used.
    net: the split model whose bottoms are drawn.
    members: numbers of the parties.
    draws: number of trials per seed.

  Returns:
    Variables of the bottoms, a trial axis first.
  """
  keys = jnp.stack([rng.stream(k, "no-vfl") for k in f.keys])
  drawn = [
    controls.untrained(net, k, keys, f.dataset.train.inputs) for k in members
  ]
  return cases.repeated(split.together(drawn), draws)
