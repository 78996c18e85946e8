"""Cut gradients as matrices, a row per sample: what gradient defences act on.

The gradient of the mean loss by each row's embedding is what comes down, so
that all strengths are in its units: those of one row are 1 / batch_size of the
gradient of that row's own loss.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.defenses import base
from vfl_jax.runtime import rng


class KeyState(NamedTuple):
  """The key of the next step; raw words, which every container can hold."""

  key: jax.Array


def leaves(message: Any) -> tuple[list, Callable[[list], Any]]:
  """What can be changed of a message, and what puts such a list in its place.

  A "mask" says which tokens there are: it travels along, and stays.
  """
  path_leaves, structure = jax.tree_util.tree_flatten_with_path(message)
  kept = [not _is_mask(path) for path, _ in path_leaves]

  def back(changed):
    changed = iter(changed)
    merged = [
      next(changed) if there else leaf
      for there, (_, leaf) in zip(kept, path_leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, merged)

  changeable = [
    leaf for there, (_, leaf) in zip(kept, path_leaves, strict=True) if there
  ]
  return changeable, back


def rows(message: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
  """One party's message as `[n, d]`, and what turns such a matrix back."""
  tensors, put = leaves(message)
  flat = [tensor.reshape(tensor.shape[0], -1) for tensor in tensors]
  ends = np.cumsum([tensor.shape[1] for tensor in flat])[:-1]

  def back(matrix):
    columns = jnp.split(matrix, ends, axis=1)
    return put(
      [c.reshape(p.shape) for c, p in zip(columns, tensors, strict=True)]
    )

  return (flat[0] if len(flat) == 1 else jnp.concatenate(flat, 1)), back


def width(message: Any) -> int:
  """Columns of `rows` of a message, or of its shapes."""
  return sum(int(np.prod(a.shape[1:])) for a in leaves(message)[0])


def _is_mask(path) -> bool:
  return bool(path) and getattr(path[-1], "key", None) == "mask"


def plain(function: Callable[[jax.Array], jax.Array]) -> Any:
  """`function([n, d]) -> [n, d]` on the message to each party."""

  def update(messages, state, params=None, **extra):
    del params, extra
    changed = []
    for message in messages:
      matrix, back = rows(message)
      changed.append(back(function(matrix)))
    return tuple(changed), state

  return optax.GradientTransformationExtraArgs(
    lambda start: optax.EmptyState(), update
  )


def random(function: Callable[[jax.Array, jax.Array], jax.Array]) -> Any:
  """`function(key, [n, d]) -> [n, d]`, a key per step, seed and party.

  `optax.add_noise` binds its key when built, so that vmapped seeds would share
  their noise; here the key is part of the state.
  """

  def update(messages, state, params=None, **extra):
    del params, extra
    key, state = following(state)
    changed = []
    for party, message in enumerate(messages):
      matrix, back = rows(message)
      changed.append(back(function(rng.fold_in(key, party), matrix)))
    return tuple(changed), state

  return optax.GradientTransformationExtraArgs(keyed, update)


def keyed(start: base.Start) -> KeyState:
  """The state of a transformation that needs nothing but a key."""
  return KeyState(jax.random.key_data(start.key))


def following(state: KeyState) -> tuple[jax.Array, KeyState]:
  """The key of this step, and the state of the next."""
  key, after = rng.split(rng.from_data(state.key))
  return key, KeyState(jax.random.key_data(after))


def norms(matrix: jax.Array) -> jax.Array:
  """Euclidean norms of the rows, `[n, 1]`."""
  return jnp.sqrt(jnp.einsum("nd,nd->n", matrix, matrix))[:, None]


def clipped(matrix: jax.Array, bound: float, order: int = 2) -> jax.Array:
  """Rows scaled down to a norm of at most `bound` (0: as they are)."""
  if not bound:
    return matrix
  norm = jnp.linalg.norm(matrix, ord=order, axis=1, keepdims=True)
  return matrix * jnp.minimum(1.0, bound / jnp.maximum(norm, 1e-30))
