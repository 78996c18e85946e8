"""Layers of unequal width in stacks of equal width.

Narrower layers are padded with zeros, which changes no estimate. Wider ones
are projected on their leading principal components, fitted on the fitting
rows of each fold; what that costs is measured, see `probe`. (A random
projection destroys information and is no option.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vfl_jax.information import fit

_STEPS = (64, 256)  # common widths below the bound


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


def stacks(layers: Sequence[np.ndarray], bound: int, folds: int) -> list[Stack]:
  """Layers `[n, d_l]` in groups of a common width of at most `bound`."""
  narrow: dict[int, list[int]] = {}
  wide = []
  for i, layer in enumerate(layers):
    if layer.shape[1] > bound:
      wide.append(i)
    else:
      fits = [w for w in _STEPS if layer.shape[1] <= w < bound]
      narrow.setdefault(min(fits, default=bound), []).append(i)
  found = []
  for width, index in sorted(narrow.items()):
    widths = np.array([layers[i].shape[1] for i in index])
    width = min(width, max(int(widths.max()), 1))
    features = np.stack([_padded(layers[i], width) for i in index])
    found.append(Stack(index, features, widths, np.ones(len(index))))
  if wide:
    reduced, kept, share = zip(
      *[project(layers[i], bound, folds) for i in wide], strict=True
    )
    found.append(
      Stack(wide, np.stack(reduced), np.array(kept), np.array(share))
    )
  return found


def project(
  layer: np.ndarray, width: int, folds: int
) -> tuple[np.ndarray, int, float]:
  """Principal components by fold: `[folds, n, width]`, kept, share.

  By the Gram matrix of the rows, since a layer is often far wider than there
  are samples (two orders of magnitude faster than an SVD there).
  """
  rows = np.asarray(layer, np.float32)
  gram = (rows - rows.mean(0)) @ (rows - rows.mean(0)).T
  projected, shares, kept = [], [], width
  for fold in range(folds):
    fitting = fit.parts(len(rows), fold)[0]
    scores, share = _components(gram.astype(np.float64), fitting, width)
    kept = scores.shape[1]
    projected.append(_padded(scores, width))
    shares.append(share)
  return np.stack(projected), kept, float(np.mean(shares))


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
