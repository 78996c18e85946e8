"""What the defences of an experiment prove, and details they report."""

from typing import Any

import jax
import numpy as np

from vfl_jax.config import entries
from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.federation import setup as federation_setup
from vfl_jax.runtime import trees

# ports where rows of a batch meet, or their gradients change
_PRIVATE = ("inputs", "guard", "release", "gradient")


def privacy(config: Any, setup: federation_setup.Setup) -> list[dict[str, Any]]:
  """What is proved of label privacy.

  Returns:
    Rows: defense, options, scope, epsilon, delta; a scope alone says that
    there is no guarantee.
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
  """Whether rows of a batch meet in the top: then it has statistics."""
  batch = trees.take(setup.inputs, slice(0, 2))
  shapes = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tuple(batch)
  )
  drawn = setup.net.init(setup.keys[0], shapes)["top"]["stats"]
  return bool(jax.tree.leaves(drawn))


def reported(defense: base.Defense, state: Any) -> list[dict[str, Any]]:
  """What the defences measured of themselves in training.

  Returns:
    Tidy rows: quantity, party, seed, value.
  """
  if defense.report is None:
    return []
  return [
    {"quantity": quantity, "party": party, "seed": seed, "value": float(value)}
    for quantity, values in defense.report(state["defense"]).items()
    for seed, parties in enumerate(np.asarray(values))
    for party, value in enumerate(np.atleast_1d(parties))
  ]
