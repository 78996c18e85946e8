"""Every layer of every party and of the merge, for all seeds at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax import information
from vfl_jax.information import fit

JOINT = "joint"


class Place(NamedTuple):
  """Where features were taken: a party's layer, or the merged one."""

  party: str
  layer: int
  stage: str


def places(
  bottoms: Sequence[Sequence[np.ndarray]],
  top: Sequence[np.ndarray],
  stages: Sequence[str],
) -> dict[Place, np.ndarray]:
  """Vectors by place: per party, and jointly below and above the cut.

  Args:
    bottoms: per party the vectors `[n, d]` of layers 0 (input) to the cut.
    top: the merged layers from the cut to the last.
    stages: names of all stages.
  """
  names = ("input", *stages)
  cut = len(bottoms[0]) - 1
  found = {}
  for party, layers in enumerate(bottoms):
    for layer, vectors in enumerate(layers):
      found[Place(str(party), layer, names[layer])] = vectors
  for layer in range(cut + 1):
    found[Place(JOINT, layer, names[layer])] = np.concatenate(
      [layers[layer] for layers in bottoms], axis=1
    )
  for offset, vectors in enumerate(top[1:], start=1):
    layer = cut + offset
    found[Place(JOINT, layer, names[layer])] = vectors
  return found


def probe(
  key,
  seeds: Iterable[Mapping[Place, np.ndarray]],
  labels: np.ndarray,
  *,
  estimators: Sequence[tuple[str, Mapping[str, Any]]],
  width: int,
  steps: int,
) -> list[dict[str, Any]]:
  """Mutual information with the labels at every place, one row each.

  Places wider than `width` are projected on their leading principal
  components, fitted on the fitting part only; the share of variance kept is
  reported. Narrower ones are padded with zeros, which changes nothing.

  Args:
    key: random key.
    seeds: per seed the vectors by place, the same rows throughout.
    labels: `[n]` integers.
    estimators: `(name, options)` pairs.
    width: common width of all places.
    steps: optimiser steps of an estimator, unless its options say otherwise.

  Returns:
    Tidy rows: seed, party, layer, stage, estimator, nats, interval, floor,
    ceiling, n, width, kept_width, kept_variance.
  """
  order = np.random.default_rng(1).permutation(len(labels))
  labels = labels[order]
  about, stacked = [], []
  for seed, found in enumerate(seeds):
    for place, vectors in found.items():
      reduced, variance = _reduce(vectors[order], width)
      kept = reduced.shape[1]
      about.append(
        {
          "seed": seed,
          **place._asdict(),
          "width": vectors.shape[1],
          "kept_width": kept,
          "kept_variance": variance,
        }
      )
      stacked.append(np.pad(reduced, ((0, 0), (0, width - kept))))
  features = np.stack(stacked)
  results = []
  for name, options in estimators:
    estimate = information.mutual_information(
      key, features, labels, estimator=name, **{"steps": steps, **options}
    )
    for i, row in enumerate(about):
      results.append(
        {
          **row,
          "estimator": name,
          "nats": float(estimate.nats[i]),
          "interval": float(estimate.interval[i]),
          "floor": float(estimate.floor[i]),
          "ceiling": estimate.ceiling,
          "n": estimate.n,
        }
      )
  return results


def _reduce(vectors: np.ndarray, width: int) -> tuple[np.ndarray, float]:
  """Principal components fitted on the fitting part, and the share kept.

  By the Gram matrix of the fitting rows, since a layer is often far wider
  than there are samples (two orders of magnitude faster than an SVD there).
  """
  vectors = np.asarray(vectors, np.float32)
  if vectors.shape[1] <= width:
    return vectors, 1.0
  rows = fit.parts(len(vectors))[0]
  centred = vectors - vectors[rows].mean(0)
  gram = centred @ centred[rows].T  # [n, fitting rows]
  values, directions = np.linalg.eigh(gram[rows].astype(np.float64))
  kept = min(width, len(rows) - 1)
  top, directions = values[::-1][:kept], directions[:, ::-1][:, :kept]
  scores = gram @ (directions / np.sqrt(np.maximum(top, 1e-9 * values[-1])))
  share = float(top.sum() / max(values.sum(), 1e-30))
  return scores.astype(np.float32), share
