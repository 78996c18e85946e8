"""Ceilings: supervised heads on the bottoms that the attacks read."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import answers
from vfl_jax.evaluation import cases
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import scoring
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees


def of(
  case: cases.Case,
  members: tuple[int, ...],
  view: base.View,
  labels: np.ndarray,
  steps: int,
) -> list[scoring.Answer]:
  """Answers of the ceilings of one adversary, one ceiling for each attack.

  Args:
    case: the measurement.
    members: numbers of the adversary's parties.
    view: what the adversary saw in the honest federation.
    labels: labels of all training rows, `[n]`.
    steps: number of training steps of a head.
  """
  f, party, passive = case.f, cases.named(members), None
  names = [n for n, a in case.attacks.items() if not cases.reads_messages(a)]
  if names:
    case.advance(f"party {party}: ceiling")
  found = []
  for name in names:
    if cases.is_active(case.attacks[name]):
      assert case.victims is not None
      victim = case.victims(name, members, case.aux_rows[:: case.draws])
      ceiling = _ceiling(f, case.seen(members, victim), labels, steps)
    else:
      passive = passive or _ceiling(f, view, labels, steps)
      ceiling = passive
    ceiling = cases.repeated(ceiling, case.draws)
    details = [""] * len(case.aux_rows)
    found += answers.of(f, name, "ceiling", party, ceiling, details)
  return found


def _ceiling(f, view, labels, steps) -> base.Inference:
  how = axes.method(f.net.model.convolutional)
  height = view.public.vocabulary if not f.net.cut else 0
  train, test = (
    _embed(
      view.public.bottom,
      how,
      height,
      np.arange(len(f.keys)),
      view.trial.bottom,
      x,
    )
    for x in (view.shared.train, view.shared.test)
  )
  keys = jnp.stack([rng.stream(k, "ceiling") for k in f.keys])
  scores = controls.ceiling(
    keys, train, test, labels, f.dataset.num_classes, steps
  )
  return base.Inference(*map(np.asarray, scores))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _embed(bottom, how, height, seeds, variables, x):
  """Vectors of a party's embeddings, per seed (`seeds` gives their number)."""

  def one(seed, variables, x):
    del seed
    return axes.chunked(
      lambda x: trees.vectors(bottom(variables, x)[0], height), x, 500
    )

  return axes.over(one, how, in_axes=(0, 0, None))(seeds, variables, x)
