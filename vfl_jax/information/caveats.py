"""Reasons not to believe an estimate, in words beside the number."""

import numpy as np

from vfl_jax.information import base

NEAR = 0.03  # share of a ceiling that counts as having reached it
EXCESS = 0.1  # nats; twice that between fitted and reported rows is a warning
BELOW = 0.01  # nats below zero by more than the interval
FLOOR = 0.05  # nats beyond its interval that a floor may be away from zero
CLIPPED = 0.01  # share of cells
SEEN = 0.999  # share of the variance


def entropy(labels: np.ndarray) -> float:
  """Plug-in entropy of labels, in nats.

  >>> round(entropy(np.array([0, 0, 1, 1])), 4)
  0.6931
  """
  shares = np.bincount(labels) / len(labels)
  shares = shares[shares > 0]
  return float(-np.sum(shares * np.log(shares)))


def of(estimate: base.MIEstimate, reasons) -> tuple[tuple[str, ...], ...]:
  """Warnings of every layer.

  - "above H(Y)" or "below zero", by more than the interval: not possible.
  - "saturated": within its interval, or `NEAR`, of H(Y) or the estimator's cap.
  - "not told from its floor": the interval reaches the permuted labels'.
  - "floor away from zero": the estimator reads something into permuted labels.
  - "above log n": no Donsker-Varadhan bound from n samples can be trusted
    above log n, and no distribution-free lower bound above a multiple of it
    (McAllester and Stratos 2020).
  - "n too small": a critic fitted to the end reads more on its own rows than
    the one that was stopped does on others. What the estimate lacks of the
    truth is not known: what no critic of the family can see is missing too.
  - "cells far outside": their value is clipped, and seen by rank alone.
  - "variance not seen": principal components dropped it; a label in
    a quiet direction is missed entirely.

  Args:
    estimate: without warnings.
    reasons: per layer, the estimator's own reason or "".
  """
  warnings = []
  for layer, reason in enumerate(reasons):
    if np.isnan(estimate.nats[layer]):
      warnings.append((reason or "does not apply",))
      continue
    sentences = (
      reason,
      *_of_value(estimate, layer),
      *_of_floor(estimate, layer),
      *_of_samples(estimate, layer),
    )
    warnings.append(tuple(s for s in sentences if s))
  return tuple(warnings)


def _of_value(estimate, layer):
  nats, interval = estimate.nats[layer], estimate.interval[layer]
  if nats + interval < -BELOW:
    yield f"below zero: {nats:.2f}, which no information is"
  if estimate.ceiling is not None and nats - interval > estimate.ceiling:
    yield f"above H(Y): {estimate.ceiling:.2f}, which is not possible"
    return
  top = min(
    (v for v in (estimate.ceiling, estimate.cap) if v is not None),
    default=np.inf,
  )
  if np.isfinite(top) and nats + max(interval, NEAR * top) >= top > 0:
    name = "H(Y)" if top == estimate.ceiling else "its cap"
    yield f"saturated at {name}"
  if nats > np.log(estimate.n):
    yield f"above log n: {np.log(estimate.n):.1f}"


def _of_floor(estimate, layer):
  floor, interval = estimate.floor[layer], estimate.floor_interval[layer]
  if estimate.nats[layer] - estimate.interval[layer] <= floor + interval:
    yield "not told from its floor"
  if abs(floor) > interval + FLOOR:
    yield f"floor away from zero: {floor:+.2f}"


def _of_samples(estimate, layer):
  nats, fitted = estimate.nats[layer], estimate.fitted[layer]
  if fitted - nats > 2 * EXCESS:
    yield (
      f"n too small: rows fitted to the end read {fitted:.2f} nats; how much "
      "is missing here is not known"
    )
  if estimate.clipped[layer] > CLIPPED:
    yield f"cells far outside: {estimate.clipped[layer]:.0%}"
  if estimate.kept_variance[layer] < SEEN:
    lost = 1 - estimate.kept_variance[layer]
    yield f"variance not seen: {lost:.1%}"
