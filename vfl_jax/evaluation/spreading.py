"""Label spreading: labels spread along a graph of nearest neighbours.

The rule is that of scikit-learn's `LabelSpreading`. The graph is built once for
all draws of labels, and rows that are not in it are answered too.

Source: Zhou et al., "Learning with Local and Global Consistency", NIPS 2004.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np

from vfl_jax.evaluation import neighbours

NEIGHBOURS = 7  # of each row in the graph
_ITERATIONS = 100  # .9 ** 100 is 3e-5


class Graph(NamedTuple):
  """A graph over some rows, and how the others hang on it.

  Attributes:
    step: normalised links of the distinct rows, a sparse matrix; None if all
      rows are equal.
    place: the place of each row in it; -1 for a row outside.
    others: numbers of the rows outside.
    closest: places of their nearest neighbours inside, `[others, near]`.
  """

  step: Any
  place: np.ndarray
  others: np.ndarray
  closest: np.ndarray


def build(rows: Float[np.ndarray, "rows columns"], seen: np.ndarray) -> Graph:
  """The graph of the rows that are seen.

  Args:
    rows: vectors of all rows, labelled or not.
    seen: numbers of the graph's rows, sorted; they include all labelled ones.
  """
  # equal rows are one: they would be each other's only neighbours
  distinct, same = np.unique(rows[seen], axis=0, return_inverse=True)
  same = same.reshape(-1)
  place = np.full(len(rows), -1)
  place[seen] = same
  step = normalised(graph(distinct)) if len(distinct) > 1 else None
  others = np.setdiff1d(np.arange(len(rows)), seen)
  near = min(NEIGHBOURS, len(seen))
  closest = np.empty((0, near), int)
  if len(others):
    closest = same[neighbours.nearest(rows[seen], rows[others], near)]
  return Graph(step, place, others, closest)


def scores(
  known: Graph, draws: Sequence[Any], classes: int, share: float
) -> Float[np.ndarray, "draws rows classes"]:
  """Spreads the labels of each draw over all rows.

  Args:
    known: the graph.
    draws: draws of labels, each with `rows` (numbers) and their `labels`.
    classes: number of classes.
    share: share of a row's label that its neighbours decide, in [0, 1); its
      given label decides the rest.

  Returns:
    Shares of the classes, which sum to one. A row that no label reaches has
    equal shares; a row outside the graph has the mean of its nearest
    neighbours in it.
  """
  size = known.place.max() + 1
  start = np.zeros((size, len(draws), classes), np.float32)
  for k, draw in enumerate(draws):
    np.add.at(start, (known.place[draw.rows], k, draw.labels), 1)
  start = start.reshape(size, -1)
  reached = start if known.step is None else _spread(known.step, start, share)
  reached = reached.reshape(size, len(draws), classes)
  total = reached.sum(-1, keepdims=True)
  shares = np.where(total > 0, reached / np.maximum(total, 1e-30), 1 / classes)
  out = shares[known.place]
  if len(known.others):
    out[known.others] = shares[known.closest].mean(1)
  return out.transpose(1, 0, 2).astype(np.float32)


def _spread(step, start, share):
  if jax.default_backend() == "cpu":
    reached = start
    for _ in range(_ITERATIONS):
      reached = share * (step @ reached) + (1 - share) * start
    return reached
  links = step.tocoo()
  return np.asarray(
    _on_accelerator(links.row, links.col, links.data, start, share)
  )


@jax.jit
def _on_accelerator(to, of, weights, start, share):
  """The same with links as three lists: where they end, start, and weigh."""

  def body(_, reached):
    arriving = jax.ops.segment_sum(
      weights[:, None] * reached[of], to, len(start), indices_are_sorted=True
    )
    return share * arriving + (1 - share) * start

  return jax.lax.fori_loop(0, _ITERATIONS, body, jnp.asarray(start))


def graph(rows: Float[np.ndarray, "rows columns"]) -> Any:
  """A sparse symmetric matrix: 1 if a row is a nearest neighbour of another."""
  from scipy import sparse

  count = len(rows)
  near = min(NEIGHBOURS, count - 1)
  closest = neighbours.nearest(rows, rows, near, itself=False)
  ends = np.repeat(np.arange(count), near), closest.ravel()
  links = sparse.csr_matrix((np.ones(count * near), ends), shape=(count, count))
  return links.maximum(links.T)


def normalised(links: Any) -> Any:
  """Divides each link by the root of the product of its ends' degrees."""
  from scipy import sparse

  degree = np.sqrt(np.maximum(np.asarray(links.sum(1)).ravel(), 1))
  scale = sparse.diags(1 / degree)
  return (scale @ links @ scale).astype(np.float32).tocsr()
