"""Every layer of every party and of the merge, for all seeds at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax.information import estimate as information_estimate
from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import preparation
from vfl_jax.information import projection
from vfl_jax.results import intervals

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
) -> Iterator[tuple[Place, np.ndarray]]:
  """Places and their vectors: per party, and jointly below and above the cut.

  Args:
    bottoms: per party and layer, from 0 (input) to the cut, the vectors
      `[n, d]` by form.
    top: the same of the merged layers from the cut to the last.
    stages: names of all stages.

  Yields:
    One after the other, so that joint vectors need not be held together.
  """
  names = ("input", *stages)
  cut = len(bottoms[0]) - 1
  for party, layers in enumerate(bottoms):
    for layer, forms in enumerate(layers):
      for form, vectors in forms.items():
        yield Place(str(party), layer, names[layer], form), vectors
  for layer in range(cut + 1):
    for form in bottoms[0][layer]:
      yield (
        Place(JOINT, layer, names[layer], form),
        _joined([layers[layer][form] for layers in bottoms]),
      )
  for offset, forms in enumerate(top[1:], start=1):
    layer = cut + offset
    for form, vectors in forms.items():
      yield Place(JOINT, layer, names[layer], form), vectors


def _joined(vectors):
  """All columns, where they are: on the host or on a device."""
  return vectors[0].__array_namespace__().concatenate(vectors, axis=1)


def probe(
  key,
  seeds: Iterable[Iterable[tuple[Place, np.ndarray]]],
  labels: np.ndarray,
  *,
  estimators: Sequence[tuple[str, str, Mapping[str, Any]]],
  width: int,
  groups: np.ndarray | None = None,
  **fitting: Any,
) -> list[dict[str, Any]]:
  """Mutual information with the labels at every place, one row each.

  What is wider than `width` is projected as it comes: besides the vectors of
  one seed, memory holds folds * rows * width numbers per place and seed.

  Args:
    key: random key.
    seeds: per seed the places and their vectors, the same rows throughout.
    labels: `[n]` integers.
    estimators: `(label, name, options)` triples.
    width: places with more columns are projected on principal components.
    groups: copies of rows, see `preparation.copies`; None for none.
    **fitting: steps, batch, rate, folds, unless an estimator's options say
      otherwise.

  Returns:
    Tidy rows: seed, party, layer, stage, form, width, estimator, nats,
    interval (over samples), fold_interval (Student t over folds, which share
    fitting rows; NaN for one), floor, fitted, ceiling, cap (NaN for none),
    n, kept_width, kept_variance, projection_loss, warning.

  Raises:
    ValueError: vectors that are not finite.
  """
  if groups is None:
    groups = np.arange(len(labels))
  order = preparation.order(
    np.random.default_rng(1), groups, information_fitting.BLOCKS
  )
  labels = labels[order]
  about, layers = [], []
  # the first of equal layers: what enters is the same for every seed, and so is
  # what is read from it
  first: dict[Place, tuple[int, np.ndarray]] = {}
  which: list[int] = []
  wide: dict[int, Any] = {}  # of the first seed, on more components
  for seed, found in enumerate(seeds):
    for place, vectors in found:
      numbers = vectors.__array_namespace__()
      if not numbers.isfinite(vectors).all():
        raise ValueError(f"features of {place} are not finite.")
      vectors = vectors[order]
      about.append({"seed": seed, **place._asdict(), "width": vectors.shape[1]})
      if not place.layer:
        known, same = first.setdefault(place, (len(layers), vectors))
        if known < len(layers) and numbers.array_equal(same, vectors):
          which.append(known)
          continue
      which.append(len(layers))
      layers.append(projection.reduce(vectors, width))
      if not seed and layers[-1].kept_variance < 1:
        wide[len(layers) - 1] = projection.reduce(vectors, _WIDER * width, 1)
  losses = _projection_losses(key, about, layers, wide, labels, width, fitting)
  results = []
  for label, name, options in estimators:
    estimate = information_estimate.mutual_information(
      key,
      layers,
      labels,
      estimator=name,
      width=width,
      **{**fitting, **options},
    )
    for i, row in zip(which, about, strict=True):
      results.append(
        {
          **row,
          "estimator": label,
          "nats": float(estimate.nats[i]),
          "interval": float(estimate.interval[i]),
          "fold_interval": intervals.half_width(estimate.folds[i]),
          "floor": float(estimate.floor[i]),
          "fitted": float(estimate.fitted[i]),
          "ceiling": estimate.ceiling,
          "cap": np.nan if estimate.cap is None else estimate.cap,
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


def _projection_losses(key, about, layers, wide, labels, width, fitting):
  """What a linear probe of wider projections reads more, in nats, by place.

  Of the first seed. Negative where the wider projection only overfits.
  """
  if not wide:
    return {}
  narrow, wider = (
    information_estimate.mutual_information(
      key,
      members,
      labels,
      estimator="linear",
      width=w,
      **{**fitting, "folds": 1},
    ).nats
    for members, w in (
      ([layers[i] for i in wide], width),
      (list(wide.values()), _WIDER * width),
    )
  )
  return {
    _where(about[i]): float(b - a)
    for i, a, b in zip(wide, narrow, wider, strict=True)
  }
