"""Reasons not to believe an estimate, in words beside the number."""

import numpy as np

from vfl_jax.information import base

NEAR = 0.03  # share of a ceiling that counts as having reached it
EXCESS = 0.1  # nats that a critic may lack before a warning


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

  - "saturated": within its interval, or `NEAR`, of H(Y) or the estimator's cap.
  - "not told from its floor": the interval reaches the permuted labels'.
  - "above log n": no Donsker-Varadhan bound from n samples can be trusted
    above log n, and no distribution-free lower bound above a multiple of it
    (McAllester and Stratos 2020).
  - "n too small": a critic fitted to n samples is better on them than the best
    of its family by p / (2 n) nats, and on new ones worse by as much, p being
    its effective number of parameters (Akaike 1974; Takeuchi 1976). The
    critic reported was stopped where it did better than that. So half the gap
    between own rows, fitted to the end, and reported ones is, to first order
    in p / n, the most that the estimate lacks of its family's best for want of
    samples; more than `EXCESS` is said. (What no critic of the family can say
    is missing too, and no rule sees it: the calibration study does.)

  Args:
    estimate: without warnings.
    reasons: per layer, the estimator's own reason or "".
  """
  found = []
  for layer, reason in enumerate(reasons):
    nats, interval = estimate.nats[layer], estimate.interval[layer]
    said = [reason] if reason else []
    if np.isnan(nats):
      found.append(tuple(said or ["does not apply"]))
      continue
    top = min(
      (v for v in (estimate.ceiling, estimate.cap) if v is not None),
      default=np.inf,
    )
    if np.isfinite(top) and nats + max(interval, NEAR * top) >= top > 0:
      name = "H(Y)" if top == estimate.ceiling else "its cap"
      said.append(f"saturated at {name}")
    low = nats - interval
    if low <= estimate.floor[layer] + estimate.floor_interval[layer]:
      said.append("not told from its floor")
    if nats > np.log(estimate.n):
      said.append(f"above log n: {np.log(estimate.n):.1f}")
    lacks = (estimate.fitted[layer] - nats) / 2
    if lacks > EXCESS:
      said.append(
        f"n too small: fitted rows read {estimate.fitted[layer]:.2f} nats, so "
        f"it may fall short by up to {lacks:.1f}"
      )
    found.append(tuple(said))
  return tuple(found)
