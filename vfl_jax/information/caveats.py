"""What speaks against believing an estimate, in words beside the number."""

import numpy as np

from vfl_jax import types

NEAR = 0.03  # share of a ceiling that counts as having reached it
EXCESS = 0.1  # nats that a critic may lack or invent before a warning


def entropy(labels: np.ndarray) -> float:
  """Plug-in entropy of labels, in nats.

  >>> round(entropy(np.array([0, 0, 1, 1])), 4)
  0.6931
  """
  shares = np.bincount(labels) / len(labels)
  shares = shares[shares > 0]
  return float(-np.sum(shares * np.log(shares)))


def of(
  estimate: types.MIEstimate, estimator: types.Estimator, n: int, reasons
) -> tuple[tuple[str, ...], ...]:
  """Warnings of every layer.

  - "saturated": within its interval, or `NEAR`, of H(Y) or the estimator's cap.
  - "not told from its floor": the interval reaches the permuted labels'.
  - "above log n": no distribution-free lower bound from n samples can be
    trusted above log n (McAllester and Stratos 2020, theorem 1).
  - "n too small": a maximum-likelihood fit of p parameters to n samples is
    worse on new ones by p / (2 n) nats, and better on its own by as much
    (Wilks 1938; Akaike 1974). With p the parameters of a linear critic, the
    simplest one, the estimate may fall short by more than `EXCESS`.

  Args:
    estimate: without warnings.
    estimator: that made it.
    n: samples in all.
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
    if nats + max(interval, NEAR * top) >= top > 0:
      name = "H(Y)" if top == estimate.ceiling else "its cap"
      said.append(f"saturated at {name}")
    low = nats - interval
    if low <= estimate.floor[layer] + estimate.floor_interval[layer]:
      said.append("not told from its floor")
    if nats > np.log(estimate.n):
      said.append(f"above log n = {np.log(estimate.n):.1f}")
    if isinstance(estimator, types.Bound):
      columns = int(estimate.kept_width[layer]) + 1
      lacks = estimator.directions * columns / (2 * (n // 2))
      if lacks > EXCESS:
        said.append(
          f"n too small: {estimator.directions * columns} parameters of a "
          f"linear critic on {n // 2} fitting rows may cost {lacks:.1f} nats"
        )
    found.append(tuple(said))
  return tuple(found)
