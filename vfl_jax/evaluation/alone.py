"""What an adversary could do without any federation: its strongest control.

It has its features and the same few labels. The pool does not depend on the
cut, a defence or the training, so it is kept on disk for all cells of a study.
"""

import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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
# code that the learner from scratch depends on
_SOURCES = sorted(
  str(path)
  for pattern in (
    "models/*.py",
    "attacks/completion*.py",
    "attacks/semi_supervised.py",
    "evaluation/alone.py",
    "evaluation/controls.py",
    "runtime/rng.py",
  )
  for path in _PACKAGE.glob(pattern)
)


class Scratch(NamedTuple):
  """A learner that trains the whole architecture of a party from scratch.

  Attributes:
    attack: trains a bottom that it is given, with few labels.
    model: the architecture and its options as text: what makes two equal.
  """

  attack: base.Attack
  model: str


class Scores(NamedTuple):
  """Scores of one learner, `[trials, rows, classes]`."""

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
    members: of the adversary.
    view: its view; of it only features and known labels are used.
    scratch: one more learner, or None.
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
  """The architecture up to its reference cut, from random weights."""
  f, model = case.f, case.f.net.model
  net = split.at(model, model.reference_cut, f.net.parties)

  def compute():
    public = view.public._replace(
      bottom=split.joint(net.bottom, len(members)), cut=net.cut
    )
    bottom = untrained(f, net, members, case.draws)
    seen = view._replace(
      public=public, trial=view.trial._replace(bottom=bottom, recorded={})
    )
    keys = cases.streams(f, case.draws, "from scratch", cases.named(members))
    how = axes.method(model.convolutional)
    inference = trials.infer(scratch.attack, keys, seen, how)
    return Scores(inference.train, inference.test)

  content = [
    *jax.tree.leaves((view.shared.train, view.shared.test)),
    case.aux_rows,
    case.aux_labels,
    jax.random.key_data(f.keys),
    cases.named(members),
    scratch.model,
    scratch.attack.budget,
    jax.default_backend(),
  ]
  return kept.kept(Scores, compute, content, _SOURCES)


def untrained(
  f: views.Federation, net: split.Net, members: tuple[int, ...], draws: int
) -> Any:
  """Bottoms that took part in no federation, of all trials.

  Args:
    f: gives keys and features.
    net: whose bottoms.
    members: parties.
    draws: number of trials for each seed.
  """
  keys = jnp.stack([rng.stream(k, "no-vfl") for k in f.keys])
  drawn = [
    controls.untrained(net, k, keys, f.dataset.train.inputs) for k in members
  ]
  return cases.repeated(split.together(drawn), draws)
