"""Defences: optional pure functions, one per port of the training step."""

from collections.abc import Sequence

import jax
import optax

from vfl_jax import registry
from vfl_jax import types
from vfl_jax.defenses.cut import cut
from vfl_jax.defenses.gradient import gaussian
from vfl_jax.defenses.gradient import laplace
from vfl_jax.defenses.label import label_dp

__all__ = ["DEFENSES", "build", "chain"]

DEFENSES = {
  "cut": cut,
  "gaussian": gaussian,
  "laplace": laplace,
  "label_dp": label_dp,
}


def build(name: str, **keywords) -> types.Defense:
  """The named defence.

  Raises:
    ValueError: unknown name, or a value the builder refuses.
  """
  return registry.build("defense", DEFENSES, name, **keywords)


def chain(defenses: Sequence[types.Defense]) -> types.Defense:
  """One defence that applies the given ones in order at every port.

  >>> chain([cut(advance=1), cut(advance=2)]).configure({"cut": 4})
  {'cut': 1}
  """

  def fold(port):
    return [getattr(d, port) for d in defenses if getattr(d, port)]

  def configure(keywords):
    for function in fold("configure"):
      keywords = function(keywords)
    return keywords

  targets = fold("targets")
  if len(targets) > 1:
    raise ValueError(
      f"{len(targets)} defences replace the training targets; take one."
    )
  gradients = fold("gradient")
  return types.Defense(
    configure=configure,
    targets=targets[0] if targets else None,
    gradient=_in_order(gradients) if gradients else None,
    guarantee=" ".join(d.guarantee for d in defenses),
  )


def _in_order(transformations):
  """`optax.chain`, but each one's state starts from a key of its own."""

  def init(key):
    return tuple(
      t.init(jax.random.fold_in(key, i)) for i, t in enumerate(transformations)
    )

  def update(messages, state, params=None, **extra):
    following = []
    for transformation, s in zip(transformations, state, strict=True):
      messages, s = transformation.update(messages, s, params, **extra)
      following.append(s)
    return messages, tuple(following)

  return optax.GradientTransformationExtraArgs(init, update)
