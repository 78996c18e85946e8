"""Decides how the seed axis and long row axes are mapped.

`vmap` runs all seeds in every operation, which fills an accelerator and costs
nothing for small dense layers on a CPU. A vmapped convolution on a CPU,
however, becomes a grouped one, several times slower than the seeds in
sequence. The critics of all layers together do not fit the caches, which one
critic does (1.3 times slower). In these cases `lax.map` is used, which is
still one program. Calls of one program run in parallel on a CPU's cores.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.runtime import trees


def method(heavy: bool) -> str:
  """How to map an axis on the current backend: "vmap" or "map".

  Args:
    heavy: whether the mapped function convolves, or exceeds the caches when
      the whole axis runs at once.
  """
  return "map" if heavy and jax.default_backend() == "cpu" else "vmap"


def over(
  fn: Callable,
  how: str,
  in_axes: tuple | None = None,
  axis_name: str | None = None,
) -> Callable:
  """Maps a function over the leading axis of its arguments.

  Args:
    fn: pure function of positional arguments.
    how: "vmap" or "map" (in sequence).
    in_axes: 0 (mapped) or None (shared) for each argument; None maps all.
    axis_name: name of the mesh axis over which the mapped axis is split.

  Raises:
    ValueError: `how` is neither.
  """
  if how not in ("vmap", "map"):
    raise ValueError(f"an axis is mapped by 'vmap' or 'map', not {how!r}.")

  def mapped(*args):
    axes = in_axes or (0,) * len(args)
    if axis_name is None and _alone(args, axes):
      # without the axis, because XLA's CPU backend (jaxlib 0.10.2) takes 20
      # times as long for a sum of products with an axis of length one
      out = fn(
        *(
          trees.take(a, 0) if axis == 0 else a
          for a, axis in zip(args, axes, strict=True)
        )
      )
      return jax.tree.map(lambda a: jnp.expand_dims(a, 0), out)
    if how == "vmap":
      return jax.vmap(fn, in_axes=axes, spmd_axis_name=axis_name)(*args)
    moving = tuple(a for a, axis in zip(args, axes, strict=True) if axis == 0)

    def call(slices):
      slices = iter(slices)
      return fn(
        *(
          next(slices) if axis == 0 else a
          for a, axis in zip(args, axes, strict=True)
        )
      )

    return jax.lax.map(call, moving)

  return mapped


def _alone(args, axes):
  """Whether the mapped axis has length one."""
  moving = [a for a, axis in zip(args, axes, strict=True) if axis == 0]
  return {len(leaf) for leaf in jax.tree.leaves(moving)} == {1}


def even(count: int, most: int) -> int:
  """The smallest block size with which the fewest blocks hold all items.

  Args:
    count: number of items.
    most: largest allowed block size.

  >>> even(10, 4)
  4
  >>> even(9, 4)
  3
  """
  return -(-count // -(-count // most))


def blocks(index: jax.Array, size: int) -> jax.Array:
  """Splits an index into blocks; the last is padded by repeating its end.

  Args:
    index: row numbers, `[n]`.
    size: number of rows per block.

  Returns:
    The blocks, `[ceil(n / size), size]`.

  >>> blocks(jnp.arange(5), 3)
  Array([[0, 1, 2],
         [3, 4, 4]], dtype=int32)
  """
  count = -(-len(index) // size)
  padded = np.minimum(np.arange(count * size), len(index) - 1)
  return index[padded].reshape(count, size)


def chunked(fn: Callable[[Any], Any], tree: Any, size: int) -> Any:
  """Applies a function to blocks of rows in a loop and joins the results.

  The last block is padded by repeating the last row, so `fn` must treat rows
  independently.

  Args:
    fn: function of a tree of rows.
    tree: tree of arrays with a common leading axis.
    size: largest number of rows per block.

  >>> chunked(lambda x: 2 * x, jnp.arange(5), 2)
  Array([0, 2, 4, 6, 8], dtype=int32)
  """
  n = trees.rows(tree)
  index = blocks(jnp.arange(n), even(n, size))
  out = jax.lax.map(lambda i: fn(trees.take(tree, i)), index)
  return jax.tree.map(lambda a: a.reshape(index.size, *a.shape[2:])[:n], out)
