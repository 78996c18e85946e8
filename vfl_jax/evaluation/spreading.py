"""Label spreading: labels spread along a graph of nearest neighbours.

The rule is that of scikit-learn's `LabelSpreading`. The graph is built once for
all draws of labels, and rows that are not in it are answered too.

Source: Zhou et al., "Learning with Local and Global Consistency", NIPS 2004.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
import numpy as np

NEIGHBOURS = 7  # of each row in the graph
_ITERATIONS = 100  # .9 ** 100 is 3e-5


def scores(
  rows: Float[np.ndarray, "rows columns"],
  seen: np.ndarray,
  draws: Sequence[Any],
  classes: int,
  share: float,
) -> Float[np.ndarray, "draws rows classes"]:
  """Spreads the labels of each draw over all rows.

  Args:
    rows: vectors of all rows, labelled or not.
    seen: numbers of the graph's rows, sorted; they include all labelled ones.
    draws: draws of labels, each with `rows` (numbers) and their `labels`.
    classes: number of classes.
    share: share of a row's label that its neighbours decide, in [0, 1); its
      given label decides the rest.

  Returns:
    Shares of the classes, which sum to one. A row that no label reaches has
    equal shares; a row outside the graph has the mean of its nearest
    neighbours in it.
  """
  from sklearn import neighbors

  # equal rows are one: they would be each other's only neighbours
  distinct, same = np.unique(rows[seen], axis=0, return_inverse=True)
  same = same.reshape(-1)
  place = np.full(len(rows), -1)
  place[seen] = same
  start = np.zeros((len(distinct), len(draws), classes), np.float32)
  for k, draw in enumerate(draws):
    np.add.at(start, (place[draw.rows], k, draw.labels), 1)
  start = start.reshape(len(distinct), -1)
  reached = start
  if len(distinct) > 1:
    step = normalised(graph(distinct))
    for _ in range(_ITERATIONS):
      reached = share * (step @ reached) + (1 - share) * start
  reached = reached.reshape(len(distinct), len(draws), classes)[same]
  total = reached.sum(-1, keepdims=True)
  shares = np.where(total > 0, reached / np.maximum(total, 1e-30), 1 / classes)
  out = np.empty((len(draws), len(rows), classes), np.float32)
  out[:, seen] = shares.transpose(1, 0, 2)
  others = np.setdiff1d(np.arange(len(rows)), seen)
  if len(others):
    near = min(NEIGHBOURS, len(seen))
    search = neighbors.NearestNeighbors(n_neighbors=near).fit(rows[seen])
    closest = search.kneighbors(rows[others], return_distance=False)
    out[:, others] = shares[closest].mean(1).transpose(1, 0, 2)
  return out


def graph(rows: Float[np.ndarray, "rows columns"]) -> Any:
  """A sparse symmetric matrix: 1 if a row is a nearest neighbour of another."""
  from sklearn import neighbors

  near = min(NEIGHBOURS, len(rows) - 1)
  search = neighbors.NearestNeighbors(n_neighbors=near).fit(rows)
  links = search.kneighbors_graph(mode="connectivity")  # without the row itself
  return links.maximum(links.T)


def normalised(links: Any) -> Any:
  """Divides each link by the root of the product of its ends' degrees."""
  from scipy import sparse

  degree = np.sqrt(np.maximum(np.asarray(links.sum(1)).ravel(), 1))
  scale = sparse.diags(1 / degree)
  return (scale @ links @ scale).astype(np.float32).tocsr()
