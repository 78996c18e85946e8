"""Fit a surrogate top and labels that reproduce the received gradients.

Both attacks search for a top and for labels that would have sent the gradients
that came down, up to one factor, because a defence may have scaled all of them.
No loss squares the distance of a row, so that a few loud rows do not decide.
Another order of the classes gives the same gradients, so auxiliary samples name
the classes and calibrate their scores.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from vfl_jax.attacks import base
from vfl_jax.attacks import surrogate_fits
from vfl_jax.config import bounds

_NEEDS = frozenset({"gradients", "auxiliary"})
_LOWEST = {
  "steps": 1,
  "depth": 0,
  "batch": 1,
  "learning_rate": bounds.ABOVE,
  "restarts": 1,
}


def unsplit(
  *,
  steps: int = 2000,
  depth: int = 0,
  batch: int = 64,
  learning_rate: float = 0.005,
  restarts: int = 4,
  epoch: int = -1,
  starts: surrogate_fits.Starts = "both",
) -> base.Attack:
  """Picks the label whose gradient through a clone of the top is nearest.

  The clone and its factor are trained to reproduce what came down, with each
  sample under the label that currently fits it best. The best fit of several
  starts is kept.

  Args:
    steps: number of Adam steps per start.
    depth: number of hidden layers of the clone.
    batch: rows per step.
    learning_rate: first learning rate of Adam, falling to zero.
    restarts: number of starts.
    epoch: index of the recorded epoch; -1 is the last one.
    starts: "random" as published, or "both": every second start begins at
      clusters of the gradients.

  Raises:
    ValueError: a value is out of its range.

  Source: Erdogan et al., "UnSplit", WPES 2022, section 3.3. The factor, the
  logarithm, several starts, starts at clusters, and naming classes by auxiliary
  samples are ours.
  """
  plan = surrogate_fits.Plan(
    steps, depth, batch, learning_rate, restarts, epoch, starts
  )
  bounds.at_least("unsplit", _LOWEST, plan._asdict())

  def gaps(apply, top, h, g):
    return jnp.log1p(surrogate_fits.squares(apply, top, h, g))

  def loss(apply, top, labels, h, g, prior, rows, held):
    del prior
    found = gaps(apply, top, h, g)
    first = jnp.take_along_axis(found, jnp.argmax(labels[rows], 1)[:, None], 1)
    return jnp.mean(jnp.where(held, first[:, 0], jnp.min(found, 1)))

  def read(apply, top, labels, h, g):
    del labels
    found = gaps(apply, top, h, g)
    return surrogate_fits.Fit(-found, jnp.mean(jnp.min(found, 1)))

  return surrogate_fits.attack(_NEEDS, loss, read, plan)


def exploit(
  *,
  steps: int = 2000,
  depth: int = 0,
  batch: int = 64,
  learning_rate: float = 0.02,
  restarts: int = 4,
  epoch: int = -1,
  starts: surrogate_fits.Starts = "both",
  variant: Literal["ours", "paper"] = "ours",
) -> base.Attack:
  """Fits surrogate labels and a surrogate top by replaying the gradients.

  The loss is a weighted sum of three terms: the distance to the gradients that
  came down; the cross entropy of the surrogate top under the surrogate labels,
  divided by H(Y); and the divergence of the labels' mean from the class shares.

  Args:
    steps: number of Adam steps per start.
    depth: number of hidden layers of the surrogate top.
    batch: rows per step.
    learning_rate: first learning rate of Adam, falling to zero.
    restarts: number of starts; the start whose gradients fit best is kept.
    epoch: index of the recorded epoch; -1 is the last one.
    starts: see `unsplit`.
    variant: "paper" uses the L1 distance, no factor, and weights the distance
      and the divergence by 0.001. "ours" uses the Euclidean distance and
      weights the cross entropy by 0.1, because the distance must dominate where
      other parties influence the predictions too.

  Raises:
    ValueError: a value is out of its range.

  Source: Kariyappa and Qureshi, "ExPLoit", 2021 (arXiv:2112.01299). One public
  version also reads the victim's predictions; this one does not.
  """
  plan = surrogate_fits.Plan(
    steps, depth, batch, learning_rate, restarts, epoch, starts
  )
  bounds.at_least("exploit", _LOWEST, plan._asdict())
  published = variant == "paper"
  gradient, prior, entropy = (1e-3, 1e-3, 1.0) if published else (1.0, 1.0, 0.1)

  def loss(apply, top, labels, h, g, shares, rows, held):
    del held
    if published:
      top = top._replace(log_factor=jax.lax.stop_gradient(top.log_factor))
    y = jax.nn.softmax(labels[rows])

    def cross_entropy(h):
      log_q = jax.nn.log_softmax(apply(top.params, h))
      return -jnp.sum(y * log_q, -1)

    gap = _sent(cross_entropy, top, h) - g
    mean = jnp.mean(y, 0)
    divergence = jnp.sum(shares * (jnp.log(shares) - jnp.log(mean + 1e-12)))
    certainty = -jnp.sum(shares * jnp.log(shares))
    length = jnp.linalg.norm(gap + 1e-12, ord=1 if published else 2, axis=1)
    return (
      gradient * jnp.mean(length)
      + entropy * jnp.mean(cross_entropy(h)) / certainty
      + prior * divergence
    )

  def read(apply, top, labels, h, g):
    log_y = jax.nn.log_softmax(labels)

    def cross_entropy(h):
      log_q = jax.nn.log_softmax(apply(top.params, h))
      return -jnp.sum(jnp.exp(log_y) * log_q, -1)

    gap = _sent(cross_entropy, top, h) - g
    return surrogate_fits.Fit(log_y, jnp.mean(jnp.log1p(jnp.sum(gap**2, 1))))

  return surrogate_fits.attack(_NEEDS | {"label_prior"}, loss, read, plan)


def _sent(cross_entropy, top, h):
  """Gradient that the top sends for each row, `[rows, width]`."""
  sent = jax.grad(lambda h: cross_entropy(h).sum())(h)
  return jnp.exp(top.log_factor) * sent
