"""Parties whose bottoms are of one shape run as one, vmapped.

What a party does is then one instruction for all of them, and their weights lie
side by side.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

PyTree = Any


class Alike(NamedTuple):
  """Which parties run as one.

  Attributes:
    groups: of parties in ascending order; each party is in one.
  """

  groups: tuple[tuple[int, ...], ...]

  def stack(self, per_party: Sequence[PyTree]) -> tuple[PyTree, ...]:
    """Per group, from per party: stacked, or of a single party as it is."""
    return tuple(
      per_party[group[0]]
      if len(group) == 1
      else jax.tree.map(lambda *a: jnp.stack(a), *(per_party[k] for k in group))
      for group in self.groups
    )

  def unstack(self, stacked: Sequence[PyTree]) -> tuple[PyTree, ...]:
    """Per party, from per group."""
    per_party = {}
    for group, tree in zip(self.groups, stacked, strict=True):
      for i, k in enumerate(group):
        single = len(group) == 1
        per_party[k] = (
          tree if single else jax.tree.map(lambda a, i=i: a[i], tree)
        )
    return tuple(per_party[k] for k in range(len(per_party)))

  def each(self, function: Callable, *stacked: Sequence[PyTree]) -> list:
    """`function(group's first party, ...)` per group, vmapped over its parties.

    Args:
      function: pure; its first argument is a number.
      *stacked: its other arguments, per group.
    """
    results = []
    for group, *arguments in zip(self.groups, *stacked, strict=True):
      mapped = functools.partial(function, group[0])
      if len(group) > 1:
        mapped = jax.vmap(mapped, axis_size=len(group))
      results.append(mapped(*arguments))
    return results


def none(parties: int) -> Alike:
  """Every party runs alone."""
  return Alike(tuple((k,) for k in range(parties)))


def find(*traits: Sequence[PyTree]) -> Alike:
  """Parties that agree in what they have.

  Args:
    *own: sequences over parties, of trees: of arrays, where shapes and types
      count, or of anything else that can be compared.

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
