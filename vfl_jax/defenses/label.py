"""Defences that replace the training targets."""

import math

import jax

from vfl_jax import types


def label_dp(*, epsilon: float = 1.0) -> types.Defense:
  """Randomised response: each training label is kept or redrawn, once.

  The true class has probability e^eps / (e^eps + C - 1), every other class
  1 / (e^eps + C - 1): the labels themselves, and so all that is computed from
  them, are epsilon-differentially private, exactly and once for all epochs.

  Raises:
    ValueError: epsilon is not positive.

  Source: Warner 1965; Ghazi et al. 2021.
  """
  if not epsilon > 0:
    raise ValueError(f"label_dp epsilon is {epsilon}; it must be > 0.")

  def targets(key, labels, num_classes):
    flip, other = jax.random.split(key)
    keep = math.exp(epsilon) / (math.exp(epsilon) + num_classes - 1)
    shift = jax.random.randint(other, labels.shape, 1, num_classes)
    kept = jax.random.bernoulli(flip, keep, labels.shape)
    return jax.numpy.where(kept, labels, (labels + shift) % num_classes)

  return types.Defense(
    targets=targets,
    guarantee=f"training labels are {epsilon:g}-label-DP (exact, all epochs).",
  )
