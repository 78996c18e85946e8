"""An attack on the views of all trials: in one program where it can be."""

import functools

import jax
import numpy as np

from vfl_jax import mapping
from vfl_jax import types


def infer(
  attack: types.Attack, keys: jax.Array, views: types.View, how: str
) -> types.Inference:
  """An attack on the views of all trials, arrays of numpy.

  Args:
    attack: in one program if it can be traced, else one trial after another.
    keys: one per trial.
    views: with a trial axis first where trials differ.
    how: see `mapping.over`.
  """
  shared = {name: getattr(views, name) for name in _SHARED}
  own = {name: getattr(views, name) for name in _OWN}
  if attack.compiled:
    program = _compiled(attack.infer, views.public, how)
    return jax.tree.map(np.asarray, program(keys, shared, own))
  found = [
    attack.infer(
      key,
      types.View(public=views.public, **shared, **mapping.take(own, trial)),
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
    return infer(key, types.View(public=public, **shared, **own))

  return jax.jit(mapping.over(one, how, in_axes=(0, None, 0)))
