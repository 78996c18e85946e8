"""Every layer of every party and of the merge, for all seeds at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax import information

JOINT = "joint"
_WIDER = 4  # times the width that the loss by projection is measured against


class Place(NamedTuple):
  """Where features were taken: a party's layer, or the merged one.

  `form` is "flat", or "pooled" for the spatial mean of a convolutional map.
  """

  party: str
  layer: int
  stage: str
  form: str = "flat"


def places(
  bottoms: Sequence[Sequence[Mapping[str, np.ndarray]]],
  top: Sequence[Mapping[str, np.ndarray]],
  stages: Sequence[str],
) -> dict[Place, np.ndarray]:
  """Vectors by place: per party, and jointly below and above the cut.

  Args:
    bottoms: per party and layer, from 0 (input) to the cut, the vectors
      `[n, d]` by form.
    top: the same of the merged layers from the cut to the last.
    stages: names of all stages.
  """
  names = ("input", *stages)
  cut = len(bottoms[0]) - 1
  found = {}
  for party, layers in enumerate(bottoms):
    for layer, forms in enumerate(layers):
      for form, vectors in forms.items():
        found[Place(str(party), layer, names[layer], form)] = vectors
  for layer in range(cut + 1):
    for form in bottoms[0][layer]:
      found[Place(JOINT, layer, names[layer], form)] = np.concatenate(
        [layers[layer][form] for layers in bottoms], axis=1
      )
  for offset, forms in enumerate(top[1:], start=1):
    layer = cut + offset
    for form, vectors in forms.items():
      found[Place(JOINT, layer, names[layer], form)] = vectors
  return found


def probe(
  key,
  seeds: Iterable[Mapping[Place, np.ndarray]],
  labels: np.ndarray,
  *,
  estimators: Sequence[tuple[str, Mapping[str, Any]]],
  width: int,
  **fitting: Any,
) -> list[dict[str, Any]]:
  """Mutual information with the labels at every place, one row each.

  Args:
    key: random key.
    seeds: per seed the vectors by place, the same rows throughout.
    labels: `[n]` integers.
    estimators: `(name, options)` pairs.
    width: places with more columns are projected on principal components.
    **fitting: steps, batch, rate, folds, unless an estimator's options say
      otherwise.

  Returns:
    Tidy rows: seed, party, layer, stage, form, width, estimator, nats,
    interval, floor, ceiling, n, kept_width, kept_variance, projection_loss,
    warning.
  """
  order = np.random.default_rng(1).permutation(len(labels))
  labels = labels[order]
  about, layers = [], []
  for seed, found in enumerate(seeds):
    for place, vectors in found.items():
      about.append({"seed": seed, **place._asdict(), "width": vectors.shape[1]})
      layers.append(vectors[order])
  losses = _projection_losses(key, about, layers, labels, width, fitting)
  results = []
  for name, options in estimators:
    estimate = information.mutual_information(
      key,
      layers,
      labels,
      estimator=name,
      width=width,
      **{**fitting, **options},
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
          "kept_width": int(estimate.kept_width[i]),
          "kept_variance": float(estimate.kept_variance[i]),
          "projection_loss": losses.get(_where(row), 0.0),
          "warning": "; ".join(estimate.warnings[i]),
        }
      )
  return results


def _where(row):
  return row["party"], row["layer"], row["form"]


def _projection_losses(key, about, layers, labels, width, fitting):
  """What a linear probe of wider projections reads more, in nats, by place.

  Of the first seed. Negative where the wider projection only overfits.
  """
  wide = [
    i for i, row in enumerate(about) if row["width"] > width and not row["seed"]
  ]
  if not wide:
    return {}
  narrow, wider = (
    information.mutual_information(
      key,
      [layers[i] for i in wide],
      labels,
      estimator="linear",
      width=w,
      **{**fitting, "folds": 1},
    ).nats
    for w in (width, _WIDER * width)
  )
  return {
    _where(about[i]): float(b - a)
    for i, a, b in zip(wide, narrow, wider, strict=True)
  }
