"""Nearest neighbours among many wide rows, on an accelerator if any."""

import functools

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax.runtime import axes

_BLOCK = 1000  # rows whose distances an accelerator holds at a time


def nearest(
  among: Float[np.ndarray, "n columns"],
  rows: Float[np.ndarray, "m columns"],
  near: int,
  itself: bool = True,
) -> Integer[np.ndarray, "m near"]:
  """Numbers of the nearest rows, the nearest first.

  Args:
    among: where neighbours are looked for.
    rows: whose neighbours are looked for.
    near: number of neighbours.
    itself: whether a row may be its own neighbour. If not, `rows` and `among`
      are the same rows in the same order, which all differ.
  """
  if jax.default_backend() != "cpu":
    return np.asarray(_on_accelerator(among, rows, near, itself))
  from sklearn import neighbors

  search = neighbors.NearestNeighbors(n_neighbors=near).fit(among)
  return search.kneighbors(rows if itself else None, return_distance=False)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _on_accelerator(among, rows, near, itself):
  # products of rows near the origin lose fewer digits
  centre = among.mean(0)
  among, rows = among - centre, rows - centre
  squares = jnp.square(among).sum(1)

  def block(numbered):
    number, row = numbered
    # the square of the row itself would change no order
    distance = squares - 2 * row @ among.T
    if not itself:
      own = number[:, None] == jnp.arange(len(among))
      distance = jnp.where(own, jnp.inf, distance)
    return lax.top_k(-distance, near)[1]

  with jax.default_matmul_precision("float32"):
    return axes.chunked(block, (jnp.arange(len(rows)), rows), _BLOCK)
