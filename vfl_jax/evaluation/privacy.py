"""Privacy guarantees of an experiment's defences, and what they report."""

from typing import Any

import jax
import numpy as np

from vfl_jax.config import entries
from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.federation import setup as federation_setup
from vfl_jax.runtime import trees

# ports at which a defence mixes rows of a batch or changes their gradients
_PRIVATE = ("inputs", "guard", "release", "gradient")


def privacy(config: Any, setup: federation_setup.Setup) -> list[dict[str, Any]]:
  """Formal guarantees of label privacy, for each defence of the config.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.

  Returns:
    Rows with the columns defense, scope, epsilon, delta. A defence without a
    guarantee has the scope "no formal guarantee" and epsilon NaN.
  """
  pieces = entries.pieces(config.defenses)
  built = [defenses.build(name, **options) for name, options in pieces]
  steps = federation_setup.steps_per_epoch(config, len(setup.targets[0]))
  rows = []
  for i, ((name, options), defense) in enumerate(zip(pieces, built)):
    others = built[:i] + built[i + 1 :]
    about = base.Releases(
      epochs=config.train.epochs,
      steps=config.train.epochs * steps,
      batch_size=config.train.batch_size,
      rows=len(setup.targets[0]),
      normalised=_normalises(setup),
      mixed=any(getattr(d, port) for d in others for port in _PRIVATE),
      before=tuple(d.name for d in built[:i] if d.prepare),
      after=tuple(d.name for d in built[i + 1 :] if d.reads),
    )
    guarantees = defense.guarantees(about) if defense.guarantees else ()
    guarantees = guarantees or [
      base.Guarantee("no formal guarantee", float("nan"))
    ]
    rows += [
      {"defense": entries.label(name, options), **statement._asdict()}
      for statement in guarantees
    ]
  return rows


def _normalises(setup) -> bool:
  """Whether the top normalises by batch, so that it has statistics."""
  batch = trees.take(setup.inputs, slice(0, 2))
  shapes = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tuple(batch)
  )
  drawn = setup.net.init(setup.keys[0], shapes)["top"]["stats"]
  return bool(jax.tree.leaves(drawn))


def reported(defense: base.Defense, state: Any) -> list[dict[str, Any]]:
  """Quantities that the defences measured during training.

  Args:
    defense: all defences, chained into one.
    state: training state after the last epoch.

  Returns:
    Tidy rows with the columns quantity, party, seed, value.
  """
  if defense.report is None:
    return []
  return [
    {"quantity": quantity, "party": party, "seed": seed, "value": float(value)}
    for quantity, values in defense.report(state["defense"]).items()
    for seed, parties in enumerate(np.asarray(values))
    for party, value in enumerate(np.atleast_1d(parties))
  ]
