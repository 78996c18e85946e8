"""What the defences of an experiment prove and say of themselves."""

from typing import Any

import jax
import numpy as np

from vfl_jax import entries
from vfl_jax import defenses
from vfl_jax import federation as federations
from vfl_jax import mapping
from vfl_jax import ports
from vfl_jax import tables

# ports where rows of a batch meet, or their gradients change
_PRIVATE = ("inputs", "guard", "release", "gradient")


def report(
  config: Any, workdir: Any, setup: federations.Setup, state: Any
) -> None:
  """Two tables, for the defences that have something to say.

  "privacy": defense, options, scope, epsilon, delta; a scope alone says that
  there is no guarantee. "defenses": defense, quantity, party, seed, value.
  """
  if not config.defenses or tables.exists(workdir, "privacy"):
    return
  rows = [
    {
      "quantity": quantity,
      "party": party,
      "seed": seed,
      "value": float(value),
    }
    for quantity, values in _said(setup.defense, state).items()
    for seed, parties in enumerate(np.asarray(values))
    for party, value in enumerate(np.atleast_1d(parties))
  ]
  if rows:
    tables.write(workdir, "defenses", rows)
  # last: where it is, the other is too
  tables.write(workdir, "privacy", privacy(config, setup))


def privacy(config: Any, setup: federations.Setup) -> list[dict[str, Any]]:
  """What is proved of label privacy, a row per statement."""
  pieces = entries.pieces(config.defenses)
  built = [defenses.build(name, **options) for name, options in pieces]
  steps = federations.steps_per_epoch(config, len(setup.targets[0]))
  rows = []
  for i, ((name, options), defense) in enumerate(zip(pieces, built)):
    others = built[:i] + built[i + 1 :]
    about = ports.Releases(
      epochs=config.train.epochs,
      steps=config.train.epochs * steps,
      batch_size=config.train.batch_size,
      rows=len(setup.targets[0]),
      normalised=_normalises(setup),
      mixed=any(getattr(d, port) for d in others for port in _PRIVATE),
      before=tuple(d.name for d in built[:i] if d.prepare),
      after=tuple(d.name for d in built[i + 1 :] if d.reads),
    )
    found = defense.guarantees(about) if defense.guarantees else ()
    found = found or [ports.Guarantee("no formal guarantee", float("nan"))]
    rows += [
      {"defense": entries.label(name, options), **statement._asdict()}
      for statement in found
    ]
  return rows


def _normalises(setup) -> bool:
  """Whether rows of a batch meet in the top: then it has statistics."""
  batch = mapping.take(setup.inputs, slice(0, 2))
  shapes = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tuple(batch)
  )
  drawn = setup.net.init(setup.keys[0], shapes)["top"]["stats"]
  return bool(jax.tree.leaves(drawn))


def _said(defense, state):
  if defense.report is None:
    return {}
  return defense.report(state["defense"])
