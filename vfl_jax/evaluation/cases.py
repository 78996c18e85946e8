"""A measurement of attacks: what it is of, and what adversaries see in it.

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

# by label of the attack, members of the adversary, and per seed its auxiliary
# rows `[seeds, m]`: what was trained, or trained on, under an active attack
Victims = Callable[[str, tuple[int, ...], np.ndarray], views.Federation]


class Case(NamedTuple):
  """What all adversaries and attacks of a measurement share.

  Attributes:
    f: the federation, its labels sealed.
    closed: the seal.
    attacks: by label.
    aux_rows: known rows, `[seeds * draws, m]`.
    aux_labels: their labels.
    prior: class shares, zeros where they are not public.
    draws: of known rows, per seed.
    victims: where an attack is active.
    advance: called with a few words before each piece of work.
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
    """What an adversary saw, of the federation or of one under its attack."""
    f = self.f if victim is None else seal.under(self.closed, victim)
    return f.views(members, self.aux_rows, self.aux_labels)


def named(members: Sequence[int]) -> int | str:
  """An adversary in a table: a party, or "0+1"."""
  return members[0] if len(members) == 1 else "+".join(map(str, members))


def is_active(attack: base.Attack) -> bool:
  """Whether it leaves the protocol, and so has a federation of its own."""
  return attack.optimizer is not None or attack.send is not None


def reads_messages(attack: base.Attack) -> bool:
  """Whether it reads gradients, which do not come down without VFL."""
  return bool({"gradients", "averages"} & attack.needs)


def under(case: Case, members: tuple[int, ...], name: str) -> base.View:
  """The view of all trials of an adversary, under its active attack.

  One federation for all draws of known rows if none depends on them.
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
  """One view of all trials from one for every auxiliary draw."""

  def joined(*arrays):
    stacked = jnp.stack(arrays, axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])

  trained = [(p.trial.bottom, p.trial.recorded) for p in per_draw]
  bottom, recorded = jax.tree.map(joined, *trained)
  return view._replace(
    trial=view.trial._replace(bottom=bottom, recorded=recorded)
  )


def streams(f: views.Federation, draws: int, *names: str | int) -> jax.Array:
  """A key per trial: per seed, and folded with the number of a later draw."""
  keys = [rng.stream(key, *names) for key in f.keys]
  return jnp.stack(
    [rng.stream(k, "draw", i) if i else k for k in keys for i in range(draws)]
  )


def repeated(tree: PyTree, draws: int) -> PyTree:
  """Every seed as often as auxiliary samples are drawn for it."""
  if draws == 1:
    return tree
  return jax.tree.map(lambda a: jnp.repeat(a, draws, axis=0), tree)


def tried(case: Case, view: base.View) -> base.View:
  """The view of all trials, with the class shares where they are public."""
  prior = tuple(map(float, case.prior)) if case.prior.any() else None
  trial = repeated(view.trial, case.draws)
  return view._replace(
    trial=trial._replace(aux_rows=case.aux_rows, aux_labels=case.aux_labels),
    public=view.public._replace(label_prior=prior),
  )
