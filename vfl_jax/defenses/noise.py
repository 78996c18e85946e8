"""Noise on the cut gradients."""

import math
from typing import Literal

import jax.numpy as jnp

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import accounting
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms
from vfl_jax.runtime import rng


def gaussian(*, scale: float = 1e-3, clip: float = 0.0) -> base.Defense:
  """Gaussian noise of standard deviation `scale` on every element.

  Args:
    scale: standard deviation of the noise, in units of the gradient (Fu et al.
      try 1e-4 to 1e-1).
    clip: bound on each row's Euclidean norm before the noise; 0 is no bound,
      and then there is no privacy guarantee.

  Raises:
    ValueError: `scale` or `clip` is negative.

  Source: Fu et al. 2022, section 6; Dwork and Roth 2014 for the guarantee.
  """
  _not_negative("gaussian", scale, clip)
  if not scale and not clip:
    return base.Defense()

  def noised(key, g):
    g = transforms.clipped(g, clip)
    return g + scale * rng.normal(key, g.shape)

  return base.Defense(
    gradient=transforms.random(noised),
    guarantees=accounting.gaussian(scale, clip) if clip and scale else None,
    adaptive=adaptive.SEVERAL_LOOKS,
  )


def laplace(*, scale: float = 1e-3, clip: float = 0.0) -> base.Defense:
  """Laplace noise of scale `scale` on every element.

  Args:
    scale: scale of the noise, in units of the gradient.
    clip: bound on each row's L1 norm before the noise; 0 is no bound, and then
      there is no privacy guarantee.

  Raises:
    ValueError: `scale` or `clip` is negative.

  Source: as `gaussian`.
  """
  _not_negative("laplace", scale, clip)
  if not scale and not clip:
    return base.Defense()

  def noised(key, g):
    g = transforms.clipped(g, clip, order=1)
    return g + scale * rng.laplace(key, g.shape)

  return base.Defense(
    gradient=transforms.random(noised),
    guarantees=accounting.laplace(scale, clip) if clip and scale else None,
    adaptive=adaptive.SEVERAL_LOOKS,
  )


def isotropic(*, ratio: float = 1.0) -> base.Defense:
  """Gaussian noise whose norm is `ratio` times the largest of the batch.

  Its standard deviation is ratio * max norm / sqrt(d).

  Args:
    ratio: expected norm of the noise over the largest norm of a row.

  Raises:
    ValueError: `ratio` is negative.

  Source: Li et al. 2022, section 5 ("iso").
  """
  bounds.within("isotropic", "ratio", ratio, 0, math.inf)
  if not ratio:
    return base.Defense()

  def noised(key, g):
    deviation = ratio * transforms.norms(g).max() / math.sqrt(g.shape[1])
    return g + deviation * rng.normal(key, g.shape)

  return base.Defense(
    gradient=transforms.random(noised), adaptive=adaptive.SEVERAL_LOOKS
  )


def max_norm(*, noise: Literal["along", "isotropic"] = "along") -> base.Defense:
  """Noise that gives every row the largest expected squared norm of the batch.

  Args:
    noise: "along" the row itself, as published, which keeps the row's
      direction up to its sign; or "isotropic", which some frameworks ship
      under the same name.

  Source: Li et al. 2022, section 4.1.
  """

  def noised(key, g):
    norm = transforms.norms(g)
    missing = jnp.maximum(norm.max() ** 2 - norm**2, 0.0)
    if noise == "along":
      draw = rng.normal(key, (len(g), 1))
      return g * (1 + draw * jnp.sqrt(missing) / jnp.maximum(norm, 1e-30))
    draw = rng.normal(key, g.shape)
    return g + draw * jnp.sqrt(missing / g.shape[1])

  return base.Defense(
    gradient=transforms.random(noised),
    adaptive=("direction", "gradient_clustering"),
  )


def perpendicular(*, low: float = 1.0, high: float = 10.0) -> base.Defense:
  """Noise at right angles to each row, of a random norm.

  Args:
    low: smallest norm of the noise, as a multiple of the largest norm of a row
      in the batch.
    high: largest norm of the noise, in the same units.

  Raises:
    ValueError: not 0 <= low <= high.

  Source: the code of Li et al. 2022 ("gradient_perp_masking").
  """
  bounds.within("perpendicular", "low", low, 0, math.inf)
  bounds.within("perpendicular", "high", high, low, math.inf)
  if not high:
    return base.Defense()

  def noised(key, g):
    where, how_far = rng.split(key)
    noise = rng.normal(where, g.shape)
    norm = transforms.norms(g)
    along = jnp.einsum("nd,nd->n", noise, g)[:, None]
    noise = noise - g * (along / jnp.maximum(norm**2, 1e-30))
    size = low + (high - low) * rng.uniform(how_far, (len(g), 1))
    length = jnp.maximum(transforms.norms(noise), 1e-30)
    return g + noise * (size * norm.max() / length)

  return base.Defense(
    gradient=transforms.random(noised), adaptive=adaptive.SEVERAL_LOOKS
  )


def grad_perturb(*, epsilon: float = 1.0) -> base.Defense:
  """Adds the gradients of all classes, in random amounts, to each row's own.

  The message is g + sum_c u_c g^(c), with u_c ~ Laplace(2 / epsilon) and g^(c)
  the gradient if the label were c. The loss is linear in the one-hot label, so
  this is the gradient under a label with Laplace noise. The backward pass
  through the first stage of the top is done for the passive parties only; the
  stages above it are passed twice.

  Args:
    epsilon: epsilon of label differential privacy of one release.

  Raises:
    ValueError: `epsilon` is not positive.

  Source: Yang et al. 2022, "Differentially private label protection in split
  learning" (TPSL).
  """
  bounds.above("grad_perturb", "epsilon", epsilon)

  def noisy(moment, targets):
    u = rng.laplace(moment.key, targets.shape)
    return targets + 2 / epsilon * u

  return base.Defense(
    release=noisy,
    guarantees=accounting.noisy_labels(epsilon),
    adaptive=adaptive.SEVERAL_LOOKS,
  )


def _not_negative(name, scale, clip):
  bounds.within(name, "scale", scale, 0, math.inf)
  bounds.within(name, "clip", clip, 0, math.inf)
