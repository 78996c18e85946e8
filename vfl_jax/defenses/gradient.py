"""Noise on the cut gradients: optax transformations over the messages.

`optax.add_noise` binds its key when built, so that vmapped seeds would share
their noise; here the key is part of the state, folded with the seed at init.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from vfl_jax import types


class NoiseState(NamedTuple):
  key: jax.Array


def gaussian(*, scale: float = 1e-3, clip: float = 0.0) -> types.Defense:
  """Gaussian noise of standard deviation `scale` on every element.

  Args:
    scale: of the noise, in units of the gradient (Fu et al. try 1e-4 to 1e-1).
    clip: bound on each row's Euclidean norm before the noise; 0 is none.
  """
  return _noise(jax.random.normal, scale, clip)


def laplace(*, scale: float = 1e-3, clip: float = 0.0) -> types.Defense:
  """Laplace noise of scale `scale` on every element; see `gaussian`."""
  return _noise(jax.random.laplace, scale, clip)


def _noise(draw, scale, clip):
  if scale < 0 or clip < 0:
    raise ValueError(f"noise scale={scale} and clip={clip} must not be < 0.")

  def init(key):
    return NoiseState(jax.random.key_data(key))

  def update(messages, state, params=None, **extra):
    del params, extra
    key, following = jax.random.split(jax.random.wrap_key_data(state.key))
    leaves, structure = jax.tree.flatten(messages)
    keys = jax.random.split(key, max(1, len(leaves)))
    noised = [
      clip_rows(g, clip) + scale * draw(k, g.shape, g.dtype)
      for k, g in zip(keys, leaves)
    ]
    state = NoiseState(jax.random.key_data(following))
    return jax.tree.unflatten(structure, noised), state

  return types.Defense(
    gradient=optax.GradientTransformationExtraArgs(init, update)
  )


def clip_rows(gradient: jax.Array, bound: float) -> jax.Array:
  """Each row scaled down to a Euclidean norm of at most `bound` (0: as is)."""
  if not bound:
    return gradient
  rows = gradient.reshape(len(gradient), -1)
  norm = jnp.linalg.norm(rows, axis=1, keepdims=True)
  rows = rows * jnp.minimum(1.0, bound / jnp.maximum(norm, 1e-12))
  return rows.reshape(gradient.shape)
