"""Trees of arrays that share their leading axis, the rows."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np


def vectors(tree: Any, vocabulary: int = 0) -> Float[jax.Array, "rows width"]:
  """Turns the output of a layer into one float vector per row.

  Float leaves are flattened. Integer leaves (ids) are counted per row, with one
  column per id.

  Args:
    tree: the output of a layer, or inputs.
    vocabulary: number of ids; needed only for integer leaves.
  """
  columns = []
  for leaf in jax.tree.leaves(tree):
    if jnp.issubdtype(leaf.dtype, jnp.floating):
      columns.append(leaf.reshape(leaf.shape[0], -1))
    elif leaf.shape[1]:
      rows = np.arange(leaf.shape[0])[:, None]
      counts = jnp.zeros((leaf.shape[0], vocabulary), jnp.float32)
      columns.append(counts.at[rows, leaf].add(1.0))
  return jnp.concatenate(columns, axis=1)


def pooled(tree: Any) -> Float[jax.Array, "rows channels"] | None:
  """The spatial mean of a convolutional map; None for anything else."""
  leaves = jax.tree.leaves(tree)
  if len(leaves) == 1 and leaves[0].ndim == 4:
    return jnp.mean(leaves[0], axis=(1, 2))
  return None


def has_ids(tree: Any) -> bool:
  """Whether a tree holds ids, which cannot be mixed or perturbed."""
  return any(
    not jnp.issubdtype(leaf.dtype, jnp.floating)
    for leaf in jax.tree.leaves(tree)
  )


def rows(tree: Any) -> int:
  """Length of the leading axis."""
  return jax.tree.leaves(tree)[0].shape[0]


def take(tree: Any, index: Any) -> Any:
  """The given rows of every leaf."""
  return jax.tree.map(lambda a: a[index], tree)
