"""Which rows the learners of a control use, and in which units."""

from collections.abc import Callable

from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np


def distinct(
  rows: Shaped[np.ndarray, "n width"], labelled: Integer[np.ndarray, " m"]
) -> tuple[np.ndarray, np.ndarray]:
  """Rows without those that are equal to another and have no label.

  Args:
    rows: vectors of all rows.
    labelled: numbers of the labelled rows, which all stay: equal rows may have
      been given different labels.

  Returns:
    kept: numbers of the rows to use, sorted.
    answer: for each row the place in `kept` of the row that it is equal to,
      `[n]`.

  >>> distinct(np.array([[1], [2], [1], [1]]), np.array([2]))
  (array([0, 1, 2]), array([0, 1, 2, 0]))
  """
  _, first, same = np.unique(
    rows, axis=0, return_index=True, return_inverse=True
  )
  stands = first[same.reshape(-1)]
  stands[labelled] = labelled
  kept = np.union1d(first, labelled)
  return kept, np.searchsorted(kept, stands)


def seen(
  count: int, labelled: Integer[np.ndarray, " m"], most: int
) -> np.ndarray:
  """Numbers of the rows that a learner of unlabelled rows uses, sorted.

  Args:
    count: number of all rows.
    labelled: numbers of the labelled rows, which are all used.
    most: largest number of rows; the others are drawn at random.
  """
  if count <= most:
    return np.arange(count)
  others = np.setdiff1d(np.arange(count), labelled)
  drawn = np.random.default_rng(0).permutation(others)
  return np.sort(
    np.concatenate([labelled, drawn[: max(0, most - len(labelled))]])
  )


def _standardised(rows: np.ndarray) -> np.ndarray:
  from sklearn import preprocessing

  return np.asarray(preprocessing.StandardScaler().fit_transform(rows))


def _unit(rows: np.ndarray) -> np.ndarray:
  from sklearn import preprocessing

  return np.asarray(preprocessing.normalize(rows))


# distances between rows depend on the units
PREPARATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "raw": lambda rows: rows,
  "standardised": _standardised,
  "rows of length one": _unit,
}
