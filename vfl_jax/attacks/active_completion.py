"""A party trains its bottom faster than it should, then completes it.

Source: Fu et al., "Label Inference Attacks Against Vertical Federated
Learning", USENIX Security 2022, section 4.3.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from vfl_jax.attacks import base
from vfl_jax.attacks import completion

_TINY = 1e-7  # in the published denominator


def active_completion(
  *,
  steps: int = completion.PUBLISHED_STEPS,
  gamma: float = 1.0,
  largest: float = 5.0,
  variant: Literal["paper", "released"] = "paper",
  batch: int = 16,
  learning_rate: float = 0.0,
  folds: int = 2,
  variants: Sequence[tuple[str, int, float]] = completion.VARIANTS,
  mixing: Literal["", "mixmatch", "mixtext"] = "",
  oracle: bool = False,
) -> base.Attack:
  """`passive_completion` after a training with a malicious local optimiser.

  The adversary multiplies its own updates, so that the federation relies on
  its bottom and the bottom learns more about the labels. The federation is
  trained again for this attack, with the same seeds and batches.

  Args:
    steps: see `passive_completion`.
    gamma: strength of the amplification, see `amplified`.
    largest: largest factor of the amplification.
    variant: see `amplified`.
    batch: see `passive_completion`.
    learning_rate: see `passive_completion`.
    folds: see `passive_completion`.
    variants: see `passive_completion`.
    mixing: see `passive_completion`.
    oracle: see `passive_completion`.

  Raises:
    ValueError: `largest` is below 1, `gamma` is negative, or
      `passive_completion` refuses a value.
  """
  if largest < 1 or gamma < 0:
    raise ValueError(
      f"attack 'active_completion': largest is {largest}, gamma is {gamma}; "
      "they must be at least 1 and 0."
    )
  passive = completion.passive_completion(
    steps=steps,
    batch=batch,
    learning_rate=learning_rate,
    folds=folds,
    variants=variants,
    mixing=mixing,
    oracle=oracle,
  )
  return passive._replace(
    needs=passive.needs | {"bottom"},
    budget=f"a training of its own, then {passive.budget}",
    optimizer=lambda momentum: amplified(
      momentum, gamma=gamma, largest=largest, variant=variant
    ),
  )


class AmplifiedState(NamedTuple):
  """The velocity of the previous step, and whether there was one."""

  velocity: optax.Updates
  moving: jax.Array


def amplified(
  momentum: float,
  *,
  gamma: float = 1.0,
  largest: float = 5.0,
  variant: Literal["paper", "released"] = "paper",
) -> optax.GradientTransformation:
  """Momentum that multiplies its steps where they keep their direction.

  v_t = momentum v_{t-1} + g_t is multiplied, element by element, by
  clip(1 + gamma v_t / (v_{t-1} + 1e-7), 1, largest); the first step by 1.

  Args:
    momentum: decay of the velocity.
    gamma: strength of the amplification; 0 is plain momentum.
    largest: largest factor.
    variant: "paper" keeps the velocity unmultiplied. "released", the public
      code, changes the velocity buffer in place, so that multiplied values are
      carried on and multiplied again.
  """

  def init(params):
    return AmplifiedState(
      jax.tree.map(jnp.zeros_like, params), jnp.zeros((), bool)
    )

  def update(gradient, state, params=None):
    del params
    velocity = jax.tree.map(
      lambda v, g: momentum * v + g, state.velocity, gradient
    )

    def factor(now, before):
      wanted = jnp.clip(1 + gamma * now / (before + _TINY), 1.0, largest)
      return jnp.where(state.moving, wanted, 1.0)

    step = jax.tree.map(
      lambda now, before: factor(now, before) * now, velocity, state.velocity
    )
    kept = step if variant == "released" else velocity
    return step, AmplifiedState(kept, jnp.ones((), bool))

  return optax.GradientTransformation(init, update)
