"""Layers of unequal width in stacks of equal width.

Narrower layers are padded with zeros, which changes no estimate. Wider ones
are projected on their leading principal components, fitted on the fitting
rows of each fold; what that costs is measured, see `probe`. (A random
projection destroys information and is no option.)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax.information import fitting as information_fitting

_STEPS = (64, 256)  # common widths below the bound
_ROWS = 4000  # beyond them no Gram matrix


class Projected(NamedTuple):
  """A layer on the leading principal components of each fold.

  Attributes:
    features: `[folds, n, width]`, padded where there are fewer components.
    kept_width: columns that are not padding.
    kept_variance: share of the fitting rows' variance in them.
  """

  features: np.ndarray
  kept_width: int
  kept_variance: float


class Stack(NamedTuple):
  """Layers of one common width.

  Attributes:
    members: which of the layers these are.
    features: `[layers, n, d]`, or `[layers, folds, n, d]` if projected.
    kept_width: columns of each that are not padding.
    kept_variance: share of the fitting rows' variance in them.
  """

  members: list[int]
  features: np.ndarray
  kept_width: np.ndarray
  kept_variance: np.ndarray


def stacks(
  layers: Sequence[np.ndarray | Projected], bound: int, folds: int
) -> list[Stack]:
  """Layers `[n, d_l]` in groups of a common width of at most `bound`."""
  narrow: dict[int, list[int]] = {}
  wide = []
  for i, layer in enumerate(layers):
    if isinstance(layer, Projected) or layer.shape[1] > bound:
      wide.append(i)
    else:
      fits = [w for w in _STEPS if layer.shape[1] <= w < bound]
      narrow.setdefault(min(fits, default=bound), []).append(i)
  found = []
  for width, index in sorted(narrow.items()):
    members = [columns(layers[i]) for i in index]
    widths = np.array([layer.shape[1] for layer in members])
    width = min(width, max(int(widths.max()), 1))
    features = np.stack([_padded(layer, width) for layer in members])
    found.append(Stack(index, features, widths, np.ones(len(index))))
  if wide:
    reduced = [reduce(layers[i], bound, folds) for i in wide]
    features, kept, share = zip(*reduced, strict=True)
    features = np.stack([f[:folds] for f in features])
    found.append(Stack(wide, features, np.array(kept), np.array(share)))
  return found


def columns(layer: np.ndarray | Projected) -> np.ndarray:
  """The layer as `[n, d]`; of a projected one its first fold's components."""
  return layer.features[0] if isinstance(layer, Projected) else layer


def reduce(
  layer: np.ndarray | Projected,
  bound: int,
  folds: int = information_fitting.BLOCKS,
) -> Any:
  """The layer, projected if it has more columns than the bound.

  Once reduced, a layer needs no more than `folds * n * bound` numbers: what a
  network of many wide layers is held in.
  """
  if isinstance(layer, Projected) or layer.shape[1] <= bound:
    return layer
  return project(layer, bound, folds)


def project(layer: np.ndarray, width: int, folds: int) -> Projected:
  """Principal components of each fold's fitting rows.

  By the Gram matrix of the rows, since a layer is often far wider than there
  are samples (four times as fast as a randomised SVD there); by a randomised
  SVD where the rows are many and the Gram matrix would be large.
  """
  rows = np.asarray(layer, np.float32)
  parts = [
    information_fitting.parts(len(rows), fold)[0] for fold in range(folds)
  ]
  if len(rows) <= _ROWS:
    centred = rows - rows.mean(0)
    gram = (centred @ centred.T).astype(np.float64)
    found = [_components(gram, fitting, width) for fitting in parts]
  else:
    found = [_leading(rows, fitting, width) for fitting in parts]
  scores, shares = zip(*found, strict=True)
  return Projected(
    np.stack([_padded(s, width) for s in scores]),
    scores[0].shape[1],
    float(np.mean(shares)),
  )


def _leading(rows, fitting, width):
  """`_components` without a matrix of rows by rows."""
  from sklearn.utils import extmath  # a second that a refused config waits for

  centred = rows - rows[fitting].mean(0)
  _, values, directions = extmath.randomized_svd(
    centred[fitting],
    min(width, rows.shape[1], len(fitting) - 1),
    n_iter=4,
    power_iteration_normalizer="QR",
    random_state=0,
  )
  whole = float(np.square(centred[fitting], dtype=np.float64).sum())
  return centred @ directions.T, float(np.sum(values**2)) / max(whole, 1e-30)


def _components(gram, fitting, width):
  """Scores of all rows on the leading components of the fitting rows."""
  across = gram[:, fitting]
  # centre by the fitting rows, in terms of inner products
  across = across - across[fitting].mean(0)
  across = across - across.mean(1, keepdims=True)
  values, directions = np.linalg.eigh(across[fitting])
  kept = max(1, min(width, len(fitting) - 1))
  top, directions = values[::-1][:kept], directions[:, ::-1][:, :kept]
  floor = max(1e-9 * abs(values[-1]), 1e-30)
  scores = across @ (directions / np.sqrt(np.maximum(top, floor)))
  positive = np.maximum(values, 0.0).sum()
  return scores.astype(np.float32), float(top.sum() / max(positive, 1e-30))


def _padded(layer, width):
  layer = np.asarray(layer, np.float32)
  return np.pad(layer, ((0, 0), (0, width - layer.shape[1])))
