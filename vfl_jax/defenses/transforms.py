"""Cut gradients as matrices, one row per sample, for gradient defences.

What comes down is the gradient of the mean loss with respect to each row's
embedding, and all strengths are in its units: a row's message is 1 / batch_size
of the gradient of that row's own loss.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float
from jaxtyping import Num
import numpy as np
import optax

from vfl_jax.defenses import base
from vfl_jax.runtime import rng


class KeyState(NamedTuple):
  """The key of the next step, as raw words, which every container can hold."""

  key: jax.Array


def leaves(message: Any) -> tuple[list, Callable[[list], Any]]:
  """The leaves of a message that may be changed, and the map back.

  A "mask", which marks the tokens that exist, is passed on unchanged.

  Returns:
    The leaves, and a function from a list of changed leaves to a message.
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


def rows(
  message: Any,
) -> tuple[Num[jax.Array, "rows width"], Callable[[jax.Array], Any]]:
  """One party's message as a matrix, and the map from it back."""
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
  """Number of columns of `rows(message)`; shapes suffice as the message."""
  return sum(int(np.prod(a.shape[1:])) for a in leaves(message)[0])


def _is_mask(path) -> bool:
  return bool(path) and getattr(path[-1], "key", None) == "mask"


def plain(function: Callable[[jax.Array], jax.Array]) -> Any:
  """A transformation by `function([n, d]) -> [n, d]` of each message."""

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
  """A transformation by `function(key, [n, d]) -> [n, d]` of each message.

  Every step, seed and party has its own key. `optax.add_noise` binds its key
  when it is built, so vmapped seeds would share their noise; here the key is
  part of the state.
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
  """The first state of a transformation that needs only a key."""
  return KeyState(jax.random.key_data(start.key))


def following(state: KeyState) -> tuple[jax.Array, KeyState]:
  """The key of this step, and the state of the next."""
  key, after = rng.split(rng.from_data(state.key))
  return key, KeyState(jax.random.key_data(after))


def norms(
  matrix: Float[jax.Array, "rows width"],
) -> Float[jax.Array, "rows 1"]:
  """Euclidean norms of the rows."""
  return jnp.sqrt(jnp.einsum("nd,nd->n", matrix, matrix))[:, None]


def clipped(
  matrix: Float[jax.Array, "rows width"], bound: float, order: int = 2
) -> Float[jax.Array, "rows width"]:
  """Rows scaled down to a norm of at most `bound`.

  Args:
    matrix: rows to clip.
    bound: largest norm; 0 leaves the rows unchanged.
    order: order of the norm.
  """
  if not bound:
    return matrix
  norm = jnp.linalg.norm(matrix, ord=order, axis=1, keepdims=True)
  return matrix * jnp.minimum(1.0, bound / jnp.maximum(norm, 1e-30))
