"""Runs an attack on the views of all trials, in one program if possible."""

import functools

import jax
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.runtime import axes
from vfl_jax.runtime import trees


def infer(
  attack: base.Attack, keys: jax.Array, views: base.View, how: str
) -> base.Inference:
  """Runs an attack on the views of all trials.

  Args:
    attack: the attack; if it cannot be compiled, trials run one by one.
    keys: one random key per trial.
    views: view whose `trial` has a trial axis first.
    how: "vmap" or "map", see `axes.over`.

  Raises:
    ValueError: an attack on gradients knows labels of rows that were not
      recorded.

  Returns:
    The inference of all trials as numpy arrays, a trial axis first.
  """
  if "gradients" in attack.needs:
    missing = np.setdiff1d(views.trial.aux_rows, views.shared.recorded_rows)
    if len(missing):
      raise ValueError(
        f"the labels of training rows {missing[:5].tolist()} are known, and "
        "their gradients were not recorded; record them, or draw the known "
        "rows from those that are."
      )
  if attack.compiled:
    program = _compiled(attack.infer, views.public, how)
    return jax.tree.map(np.asarray, program(keys, views.shared, views.trial))
  per_trial = [
    attack.infer(key, views._replace(trial=trees.take(views.trial, trial)))
    for trial, key in enumerate(keys)
  ]
  return jax.tree.map(lambda *a: np.stack(a), *per_trial)


@functools.lru_cache
def _compiled(infer, public, how):
  """The program of an attack, shared by parties, victims and controls."""

  def one(key, shared, trial):
    return infer(key, base.View(public, shared, trial))

  return jax.jit(axes.over(one, how, in_axes=(0, None, 0)))
