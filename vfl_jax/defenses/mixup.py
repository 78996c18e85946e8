"""Mix samples of a batch in pairs, together with their labels."""

from typing import Literal

import jax
import jax.numpy as jnp

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.runtime import rng


def mixup(
  *, alpha: float = 1.0, per: Literal["batch", "row"] = "batch"
) -> base.Defense:
  """Every party mixes its features of the pairs that the active party names.

  x := a * x_i + (1 - a) * x_j for all parties and a * y_i + (1 - a) * y_j at
  the active party. The share a is drawn from Beta(alpha, alpha) and is at
  least a half, so that what comes down belongs mostly to i. All parties know
  the pairs and the shares.

  Args:
    alpha: parameter of the Beta distribution.
    per: whether one a is drawn per "batch", as published, or per "row".

  Raises:
    ValueError: `alpha` is not positive.

  Source: Zhang et al. 2018, as in public VFL code.
  """
  bounds.above("mixup", "alpha", alpha)

  def check(num_classes, kind):
    del num_classes
    if kind in ("fields", "tokens"):
      raise ValueError(
        f"defence 'mixup' mixes numbers, and the model reads {kind}, which are "
        "ids; take another defence, or data.encoding='onehot' for a table."
      )

  def pairs(moment, size):
    order = rng.permutation(rng.stream(moment.key, "pairs"), size)
    shape = (size,) if per == "row" else ()
    share = rng.beta(rng.stream(moment.key, "share"), alpha, shape)
    share = jnp.broadcast_to(jnp.maximum(share, 1 - share), (size,))
    return base.Pairs(order, share)

  def inputs(moment, x, targets):
    announced = pairs(moment, len(targets))

    def mixed(a):
      weight = announced.share.reshape(-1, *[1] * (a.ndim - 1))
      return weight * a + (1 - weight) * a[announced.partner]

    return jax.tree.map(mixed, x), mixed(targets)

  return base.Defense(
    inputs=inputs,
    pairs=pairs,
    check=check,
    adaptive=adaptive.UNMIXED,
  )
