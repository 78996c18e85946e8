"""Gradient attacks that also use the party's features, and their control.

A party has both its features and the gradients it received. The contribution
of the gradients is the score of a rule on both minus its score on features
alone.
"""

import functools

import jax
import jax.numpy as jnp

from vfl_jax.attacks import base
from vfl_jax.attacks import views
from vfl_jax.runtime import trees

SUFFIX = " with features"  # suffix of an attack's label


def with_features(attack: base.Attack) -> base.Attack:
  """The same attack on rows of features and gradients side by side.

  Features and gradients each have a mean length of one. The control,
  `Attack.alone`, is the same rule on the features of the same rows.

  Args:
    attack: attack with `joins`, which compares rows of gradients as vectors.
  """
  return attack._replace(
    infer=_on(attack.infer, gradients=True),
    alone=_on(attack.infer, gradients=False),
    joins=False,
    budget=f"{attack.budget}; rows of features and gradients",
  )


@functools.lru_cache
def _on(infer, gradients):
  """One function for equal attacks, so that they share a compiled program."""

  def replaced(key: jax.Array, view: base.View) -> base.Inference:
    return infer(key, _replaced(view, gradients))

  return replaced


def _replaced(view: base.View, gradients: bool) -> base.View:
  """A view whose gradients are features, with or without the gradients."""
  observed = views.gradients(view)
  rows = jnp.asarray(view.shared.recorded_rows)
  x = jax.tree.map(lambda a: jnp.asarray(a)[rows], view.shared.train)
  blocks = [_scaled(trees.vectors(x, view.public.vocabulary), observed.covered)]
  if gradients:
    blocks.append(_unit(observed.vectors, observed.covered))
  joined = jnp.concatenate(blocks, axis=1)
  joined = jnp.where(observed.covered[:, None], joined, jnp.nan)
  last = views.epochs(view)[-1]
  recorded = {0: base.Recorded(last.bottom, gradients=joined)}
  return view._replace(trial=view.trial._replace(recorded=recorded))


def _scaled(x, covered):
  """Standardises the columns, then scales rows to a mean length of one."""
  there = covered[:, None]
  count = jnp.maximum(there.sum(), 1)
  mean = jnp.sum(jnp.where(there, x, 0), 0) / count
  deviation = jnp.sqrt(jnp.sum(jnp.where(there, x - mean, 0) ** 2, 0) / count)
  scale = jnp.where(deviation > 1e-6 * (1 + jnp.abs(mean)), deviation, 1.0)
  return _unit((x - mean) / scale, covered)


def _unit(vectors, covered):
  lengths = jnp.linalg.norm(vectors, axis=1)
  typical = jnp.sum(jnp.where(covered, lengths, 0))
  return vectors * jnp.maximum(covered.sum(), 1) / (typical + 1e-30)
