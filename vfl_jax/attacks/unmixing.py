"""Estimate the gradients of samples from the gradients of mixtures."""

import jax
import jax.numpy as jnp

from vfl_jax.attacks import base
from vfl_jax.attacks import views
from vfl_jax.runtime import trees

_RIDGE = 0.1  # relative to one epoch: keeps samples of small share short
_ITERATIONS = 50


def gradients(view: base.View) -> views.Gradients:
  """Gradients of the recorded rows, by least squares over all mixtures.

  The loss is linear in the label, and the received gradient is nearly so: the
  row's share of its own gradient plus the rest of its partner's. Every
  recorded epoch gives one more equation, in units of the epoch's mean norm.
  """
  looks = []
  for epoch in views.epochs(view):
    g = trees.vectors(epoch.gradients)
    there = jnp.isfinite(g).all(1)
    g = jnp.where(there[:, None], g, 0.0)
    unit = jnp.linalg.norm(g, axis=1).sum() / jnp.maximum(there.sum(), 1)
    pairs = epoch.pairs
    share = jnp.where(there, pairs.share, 0.0)
    rest = jnp.where(there, 1 - pairs.share, 0.0)
    looks.append((g / (unit + 1e-30), pairs.partner, share, rest, there))
  sent, partners, shares, rests, covered = map(jnp.stack, zip(*looks))
  rows = jnp.asarray(view.shared.recorded_rows)

  def mixed(u):
    """What comes down in each epoch for rows with gradients `u`, `[n, d]`."""
    sample, partner = u[rows][None], u[partners]
    return shares[..., None] * sample + rests[..., None] * partner

  start = jnp.zeros((len(view.shared.train_ids), sent.shape[-1]))
  transpose = jax.linear_transpose(mixed, start)
  unmixed, _ = jax.scipy.sparse.linalg.cg(
    lambda u: transpose(mixed(u))[0] + _RIDGE * u,
    transpose(sent)[0],
    start,
    tol=0.0,
    maxiter=_ITERATIONS,
  )
  unmixed = unmixed[rows]
  return views.Gradients(
    unmixed, jnp.linalg.norm(unmixed, axis=1), covered.any(0)
  )
