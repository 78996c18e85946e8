"""How the seed axis and long row axes are mapped: decided here, once.

`vmap` runs all seeds in every operation, which fills an accelerator and costs
nothing for small dense layers on CPU. A vmapped convolution on CPU, however,
becomes a grouped one that is several times slower than the seeds in sequence,
and the critics of all layers together leave the caches that one of them stays
in (1.3 times slower). There `lax.map` is used: still one program. Calls of one
program run on a CPU's cores side by side.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.runtime import trees


def method(heavy: bool) -> str:
  """How to map an axis on the present backend: "vmap" or "map".

  Args:
    heavy: what is mapped convolves, or is too large for the caches when all of
      it runs at once.
  """
  return "map" if heavy and jax.default_backend() == "cpu" else "vmap"


def over(
  fn: Callable,
  how: str,
  in_axes: tuple | None = None,
  axis_name: str | None = None,
) -> Callable:
  """`fn` mapped over the leading axis of its arguments.

  Args:
    fn: a pure function of positional arguments.
    how: "vmap" or "map" (in sequence).
    in_axes: per argument, 0 (mapped) or None (shared); default: all mapped.
    axis_name: of a mesh, that the mapped axis is split over.

  Raises:
    ValueError: another `how`.
  """
  if how not in ("vmap", "map"):
    raise ValueError(f"an axis is mapped by 'vmap' or 'map', not {how!r}.")

  def mapped(*args):
    axes = in_axes or (0,) * len(args)
    if axis_name is None and _alone(args, axes):
      # not as an axis of length one, on which XLA's CPU backend (jaxlib 0.10.2)
      # takes 20 times as long for a sum of products
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
  """Whether what is mapped has one entry."""
  moving = [a for a, axis in zip(args, axes, strict=True) if axis == 0]
  return {len(leaf) for leaf in jax.tree.leaves(moving)} == {1}


def even(count: int, most: int) -> int:
  """The size of the fewest blocks of at most so many that hold a count.

  >>> even(10, 4)
  4
  >>> even(9, 4)
  3
  """
  return -(-count // -(-count // most))


def blocks(index: jax.Array, size: int) -> jax.Array:
  """An index in blocks of a size; the last is filled by repeating its end.

  >>> blocks(jnp.arange(5), 3)
  Array([[0, 1, 2],
         [3, 4, 4]], dtype=int32)
  """
  count = -(-len(index) // size)
  padded = np.minimum(np.arange(count * size), len(index) - 1)
  return index[padded].reshape(count, size)


def chunked(fn: Callable[[Any], Any], tree: Any, size: int) -> Any:
  """`fn` applied to blocks of rows in a loop, joined again.

  The last block is padded by repeating the last row, so `fn` must treat rows
  independently.

  >>> chunked(lambda x: 2 * x, jnp.arange(5), 2)
  Array([0, 2, 4, 6, 8], dtype=int32)
  """
  n = trees.rows(tree)
  index = blocks(jnp.arange(n), even(n, size))
  out = jax.lax.map(lambda i: fn(trees.take(tree, i)), index)
  return jax.tree.map(lambda a: a.reshape(index.size, *a.shape[2:])[:n], out)
