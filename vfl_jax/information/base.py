"""What an estimator is, and what it returns."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

PyTree = Any


Array = jax.Array | np.ndarray


class MIEstimate(NamedTuple):
  """Mutual information of each layer with the target, in nats.

  Attributes:
    nats: `[layers]`; every sample is reported once, by a critic that was
      fitted and stopped on others. Negative values are kept.
    interval: half-width `[layers]` of the 95 % interval over samples.
    floor: the same estimate under permuted targets, of the first fold.
    floor_interval: its half-width.
    folds: values by fold, `[layers, folds]`.
    fitted: what the critics read at the end of their training on the rows
      they were trained on: shown, never believed; NaN without training.
    ceiling: H(Y), or None for a target that is not discrete.
    cap: the largest value this estimator can give here, or None.
    n: number of reported samples.
    kept_width: columns of each layer that the estimator saw.
    kept_variance: share of the variance in them.
    clipped: share of cells of each layer that lie far outside.
    warnings: per layer, sentences on why not to believe the number.
  """

  nats: Array
  interval: Array
  floor: Array
  floor_interval: Array
  folds: Array
  fitted: Array
  ceiling: float | None
  cap: float | None
  n: int
  kept_width: Array
  kept_variance: Array
  clipped: Array
  warnings: tuple[tuple[str, ...], ...]


class Bound(NamedTuple):
  """An estimator with a critic to train.

  `prior` is the class distribution of all rows, None for a continuous target.

  Attributes:
    init: `init(key, t, y) -> params` from example rows, on the host.
    loss: `loss(params, state, t, y, prior) -> (loss, state)`.
    init_state: the running state of the loss, as Python floats.
    influence: `influence(params, t, y, prior) -> [n]` whose mean is the
      estimate in nats and whose spread gives its standard error.
    criterion: `criterion(params, t, y, prior)`, the higher the better: what
      the stopping part decides by.
    cap: the largest value it can give, or None.
  """

  init: Callable[..., PyTree]
  loss: Callable[..., tuple[Array, PyTree]]
  init_state: PyTree
  influence: Callable[..., Array]
  criterion: Callable[..., Array]
  cap: float | None = None


class Direct(NamedTuple):
  """An estimator with nothing to train: all samples are used and reported.

  Attributes:
    influence: `influence(t, y) -> [n]` on the host, t `[n, d]`; its mean is
      the estimate in nats. NaN where it does not apply.
    reason: `reason(t, y) -> str`, why the number is not to be believed; empty
      if it is.
  """

  influence: Callable[[np.ndarray, np.ndarray], np.ndarray]
  reason: Callable[[np.ndarray, np.ndarray], str]


Estimator = Bound | Direct
