"""A measurement of attacks, and what adversaries see in it.

A trial is one seed of the federation with one draw of auxiliary samples.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import seal
from vfl_jax.federation import views
from vfl_jax.runtime import rng

PyTree = Any

# `victims(label of the attack, members, auxiliary rows [seeds, m])` is the
# federation that was trained under an active attack
Victims = Callable[[str, tuple[int, ...], np.ndarray], views.Federation]


class Case(NamedTuple):
  """What all adversaries and attacks of a measurement share.

  Attributes:
    f: the federation with sealed labels.
    closed: the seal.
    attacks: attacks by label.
    aux_rows: training rows whose labels are known, `[seeds * draws, m]`.
    aux_labels: labels of those rows, `[seeds * draws, m]`.
    prior: class shares, `[classes]`; zeros if they are not public.
    draws: number of draws of known rows per seed.
    victims: federations under active attacks; None without active attacks.
    advance: function called with a few words before each piece of work.
  """

  f: views.Federation
  closed: seal.Sealed
  attacks: dict[str, base.Attack]
  aux_rows: np.ndarray
  aux_labels: np.ndarray
  prior: np.ndarray
  draws: int
  victims: Victims | None
  advance: Callable[[str], None]

  def seen(
    self, members: tuple[int, ...], victim: views.Federation | None = None
  ) -> base.View:
    """What an adversary saw.

    Args:
      members: numbers of the adversary's parties.
      victim: federation under its active attack; None for the honest one.
    """
    f = self.f if victim is None else seal.under(self.closed, victim)
    return f.views(members, self.aux_rows, self.aux_labels)


def named(members: Sequence[int]) -> int | str:
  """Name of an adversary in tables: a party's number, or e.g. "0+1"."""
  return members[0] if len(members) == 1 else "+".join(map(str, members))


def is_active(attack: base.Attack) -> bool:
  """Whether the attack leaves the protocol, and so needs its own federation."""
  return attack.optimizer is not None or attack.send is not None


def reads_messages(attack: base.Attack) -> bool:
  """Whether the attack reads gradients, which exist only in a federation."""
  return bool({"gradients", "averages"} & attack.needs)


def under(case: Case, members: tuple[int, ...], name: str) -> base.View:
  """The view of an adversary under its active attack, for all trials.

  If the federation does not depend on the known rows, all draws share it.

  Args:
    case: the measurement.
    members: numbers of the adversary's parties.
    name: label of the attack.
  """
  assert case.victims is not None
  federations = []
  for draw in range(case.draws):
    victim = case.victims(name, members, case.aux_rows[draw :: case.draws])
    if federations and victim is federations[0]:
      break
    federations.append(victim)
  per_draw = [case.seen(members, victim) for victim in federations]
  view = tried(case, per_draw[0])
  return _interleaved(view, per_draw) if len(per_draw) > 1 else view


def _interleaved(view, per_draw):
  """Joins views of single auxiliary draws into one view of all trials."""

  def joined(*arrays):
    stacked = jnp.stack(arrays, axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])

  trained = [(p.trial.bottom, p.trial.recorded) for p in per_draw]
  bottom, recorded = jax.tree.map(joined, *trained)
  return view._replace(
    trial=view.trial._replace(bottom=bottom, recorded=recorded)
  )


def streams(f: views.Federation, draws: int, *names: str | int) -> jax.Array:
  """Keys of a named stream, one per trial.

  The first draw of a seed uses the seed's key; later draws fold in their
  number.

  Args:
    f: the federation whose keys are used.
    draws: number of draws per seed.
    *names: name of the stream, then indices.
  """
  keys = [rng.stream(key, *names) for key in f.keys]
  return jnp.stack(
    [rng.stream(k, "draw", i) if i else k for k in keys for i in range(draws)]
  )


def repeated(tree: PyTree, draws: int) -> PyTree:
  """Repeats the entries of the seed axis, once per auxiliary draw."""
  if draws == 1:
    return tree
  return jax.tree.map(lambda a: jnp.repeat(a, draws, axis=0), tree)


def tried(case: Case, view: base.View) -> base.View:
  """The view of all trials, with the class shares if they are public."""
  prior = tuple(map(float, case.prior)) if case.prior.any() else None
  trial = repeated(view.trial, case.draws)
  return view._replace(
    trial=trial._replace(aux_rows=case.aux_rows, aux_labels=case.aux_labels),
    public=view.public._replace(label_prior=prior),
  )
