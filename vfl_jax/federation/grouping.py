"""Parties whose bottom models have the same shape run together under vmap.

Each operation then covers all parties of a group, whose weights are stacked
along a leading axis.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

PyTree = Any


class Alike(NamedTuple):
  """The groups of parties that run together.

  Attributes:
    groups: party numbers of each group in ascending order; each party belongs
      to exactly one group.
  """

  groups: tuple[tuple[int, ...], ...]

  def stack(self, per_party: Sequence[PyTree]) -> tuple[PyTree, ...]:
    """Stacks trees, one per party, into one tree per group.

    The tree of a party that is alone in its group stays as it is.
    """
    return tuple(
      per_party[group[0]]
      if len(group) == 1
      else jax.tree.map(lambda *a: jnp.stack(a), *(per_party[k] for k in group))
      for group in self.groups
    )

  def unstack(self, stacked: Sequence[PyTree]) -> tuple[PyTree, ...]:
    """Splits trees, one per group, into one tree per party; undoes `stack`."""
    per_party = {}
    for group, tree in zip(self.groups, stacked, strict=True):
      for i, k in enumerate(group):
        single = len(group) == 1
        per_party[k] = (
          tree if single else jax.tree.map(lambda a, i=i: a[i], tree)
        )
    return tuple(per_party[k] for k in range(len(per_party)))

  def each(self, function: Callable, *stacked: Sequence[PyTree]) -> list:
    """Calls a function once per group, vmapped over the group's parties.

    Args:
      function: pure function whose first argument is the number of the group's
        first party.
      *stacked: the function's other arguments, one tree per group each.

    Returns:
      The results, one per group.
    """
    results = []
    for group, *arguments in zip(self.groups, *stacked, strict=True):
      mapped = functools.partial(function, group[0])
      if len(group) > 1:
        mapped = jax.vmap(mapped, axis_size=len(group))
      results.append(mapped(*arguments))
    return results


def none(parties: int) -> Alike:
  """Groups in which every party runs alone."""
  return Alike(tuple((k,) for k in range(parties)))


def find(*traits: Sequence[PyTree]) -> Alike:
  """Groups the parties whose traits are equal.

  Args:
    *traits: sequences with one tree per party. Arrays are compared by shape
      and dtype, other leaves by equality; they must be hashable.

  >>> x = jnp.ones(3)
  >>> find((x, jnp.ones(2), x), ("sgd", "sgd", "sgd")).groups
  ((0, 2), (1,))
  """
  groups = {}
  for k, trees in enumerate(zip(*traits, strict=True)):
    leaves, structure = jax.tree.flatten(trees)
    described = tuple(
      (a.shape, a.dtype) if hasattr(a, "shape") else a for a in leaves
    )
    groups.setdefault((structure, described), []).append(k)
  return Alike(tuple(tuple(group) for group in groups.values()))
