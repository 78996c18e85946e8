"""Label inference attacks: from a view, which has no labels, to scores."""

from collections.abc import Mapping
from typing import Any

from vfl_jax import registry
from vfl_jax import types
from vfl_jax.attacks.completion import passive_completion

__all__ = ["ATTACKS", "build", "missing"]

ATTACKS = {"passive_completion": passive_completion}


def build(name: str, *, steps: int, **keywords: Any) -> types.Attack:
  """The named attack.

  Args:
    name: a key of `ATTACKS`, or the user's own `package.module:builder`.
    steps: the iterations it may spend, if it has any.
    **keywords: its options.

  Raises:
    ValueError: unknown name or option, or a value the builder refuses.
  """
  builder = registry.lookup(ATTACKS, "attack", name)
  if "steps" in registry.parameters(builder):
    keywords = {"steps": steps, **keywords}
  return registry.build("attack", ATTACKS, name, **keywords)


def missing(attack: types.Attack, config: Mapping[str, Any]) -> str:
  """Why an attack cannot run under a config; empty if it can."""
  if "gradients" in attack.needs and not config["record"]["epochs"]:
    return "it needs cut gradients; set record.epochs, e.g. (0,)"
  if "gradients" in attack.needs and not config["model"]["cut"]:
    return "at cut 0 no gradient comes down; take model.cut of at least 1"
  if "bottom" in attack.needs and not config["model"]["cut"]:
    return "at cut 0 the party has no bottom; take model.cut of at least 1"
  return ""
