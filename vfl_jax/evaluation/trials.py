"""An attack on the views of all trials: in one program where it can be."""

import functools

import jax
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.runtime import axes
from vfl_jax.runtime import trees


def infer(
  attack: base.Attack, keys: jax.Array, views: base.View, how: str
) -> base.Inference:
  """An attack on the views of all trials, arrays of numpy.

  Args:
    attack: in one program if it can be traced, else one trial after another.
    keys: one per trial.
    views: with a trial axis first where trials differ.
    how: see `axes.over`.
  """
  shared = {name: getattr(views, name) for name in _SHARED}
  own = {name: getattr(views, name) for name in _OWN}
  if attack.compiled:
    program = _compiled(attack.infer, views.public, how)
    return jax.tree.map(np.asarray, program(keys, shared, own))
  found = [
    attack.infer(
      key,
      base.View(public=views.public, **shared, **trees.take(own, trial)),
    )
    for trial, key in enumerate(keys)
  ]
  return jax.tree.map(lambda *a: np.stack(a), *found)


_SHARED = ("train", "test", "gradient_rows", "train_ids", "test_ids")
_OWN = (
  "bottom",
  "bottoms",
  "gradients",
  "embeddings",
  "averages",
  "aux_rows",
  "aux_labels",
  "code",
  "pairs",
)


@functools.lru_cache
def _compiled(infer, public, how):
  """One program per attack, shared by parties, victims and controls."""

  def one(key, shared, own):
    return infer(key, base.View(public=public, **shared, **own))

  return jax.jit(axes.over(one, how, in_axes=(0, None, 0)))
