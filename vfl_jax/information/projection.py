"""Layers of unequal width in stacks of equal width.

Narrower layers are padded with zeros, which changes no estimate. Wider ones
are projected on their leading principal components, fitted on the fitting
rows of each fold; what that costs is measured, see `probe`. (A random
projection destroys information and is no option.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
from jaxtyping import Shaped
import numpy as np

from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import preparation
from vfl_jax.information import projection_accelerator

_STEPS = (128, 512)  # common widths of stacks
_ROWS = 4000  # beyond them no Gram matrix


class Prepared(NamedTuple):
  """A layer as estimators see it, see `preparation`.

  Attributes:
    features: columns, then as many of their ranks: `[n, 2 * kept_width]`, or
      `[folds, n, 2 * kept_width]` where principal components differ by fold.
    kept_width: number of columns, or of components.
    room: columns it has in a stack, ranks included: as many as if none had been
      dropped, so that layers of other rows share a compiled program.
    kept_variance: share of the fitting rows' variance that components keep.
    clipped: share of cells that lie far outside, seen by their rank alone.
  """

  features: np.ndarray
  kept_width: int
  room: int
  kept_variance: float
  clipped: float


class Stack(NamedTuple):
  """Layers of one common width.

  Attributes:
    members: which of the layers these are.
    features: `[layers, n, d]`, or `[layers, folds, n, d]` if projected.
    widths: columns of each that are not padding, ranks included.
  """

  members: list[int]
  features: np.ndarray
  widths: np.ndarray


def stacks(layers: Sequence[Prepared], folds: int) -> list[Stack]:
  """Layers in groups of a common width, those that are projected apart.

  Args:
    layers: from `reduce`, of the same rows.
    folds: number of folds that are used.
  """
  groups: dict[tuple[int, int], list[int]] = {}
  for i, layer in enumerate(layers):
    step = min((w for w in _STEPS if layer.room <= w), default=layer.room)
    groups.setdefault((layer.features.ndim, step), []).append(i)
  stacked = []
  for (dimensions, _), members in sorted(groups.items()):
    arrays = [layers[i].features for i in members]
    if dimensions == 3:
      arrays = [a[:folds] for a in arrays]
    widths = np.array([a.shape[-1] for a in arrays])
    room = max(layers[i].room for i in members)
    features = np.stack([_padded(a, room) for a in arrays])
    stacked.append(Stack(members, features, widths))
  return stacked


def ranks(layer: Prepared) -> np.ndarray:
  """The ranks alone, `[n, kept_width]`; of components those of the first fold.

  For estimators without training, which see all rows at once.
  """
  features = layer.features
  if features.ndim == 3:
    features = features[0]
  return features[:, features.shape[1] // 2 :]


def reduce(
  layer: Shaped[np.ndarray, "n columns"]
  | Shaped[jax.Array, "n columns"]
  | Prepared,
  bound: int,
  folds: int = information_fitting.BLOCKS,
) -> Prepared:
  """A layer prepared, and projected if it has more columns than the bound.

  Once reduced, a layer needs no more than `2 * folds * n * bound` numbers:
  what a network of many wide layers is held in.

  Args:
    layer: rows in random order; a wide one on a device is projected there.
    bound: most columns that are not projected, and number of components.
    folds: number of folds.
  """
  if isinstance(layer, Prepared):
    return layer
  room = 2 * max(1, min(layer.shape[1], bound))
  if isinstance(layer, jax.Array):
    if layer.shape[1] > bound:
      columns, varies, clipped = projection_accelerator.columns(layer)
      if varies.sum() > bound:
        features, share = projection_accelerator.project(
          columns, varies, bound, folds
        )
        return Prepared(features, features.shape[-1] // 2, room, share, clipped)
    layer = np.asarray(layer)
  columns, clipped = preparation.scaled(layer)
  kept = columns.shape[1]
  if kept <= bound:
    features = preparation.with_ranks(columns)
    return Prepared(features, kept, room, 1.0, clipped)
  scores, share = project(preparation.clipped(columns), bound, folds)
  features = np.stack([preparation.with_ranks(_even(s)) for s in scores])
  return Prepared(features, scores.shape[-1], room, share, clipped)


def _even(scores):
  """Components in units of their own spread."""
  spread = scores.std(0)
  return (scores - scores.mean(0)) / np.where(spread > 0, spread, 1)


def project(
  columns: Shaped[np.ndarray, "n columns"], width: int, folds: int
) -> tuple[np.ndarray, float]:
  """Principal components of each fold's fitting rows.

  By the Gram matrix of the rows, since a layer is often far wider than there
  are samples (four times as fast as a randomised SVD there); by a randomised
  SVD where the rows are many and the Gram matrix would be large.

  Args:
    columns: scaled, rows in random order.
    width: number of components.
    folds: number of folds.

  Returns:
    Scores of all rows, `[folds, n, width]` (fewer where rows are fewer), and
    the mean share of the fitting rows' variance in them.
  """
  rows = np.asarray(columns, np.float32)
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
  return np.stack(scores), float(np.mean(shares))


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


def _padded(features, width):
  """Zeros after the last column."""
  pad = [(0, 0)] * (features.ndim - 1) + [(0, width - features.shape[-1])]
  return np.pad(features, pad)
