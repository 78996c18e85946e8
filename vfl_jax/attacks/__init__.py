"""Label inference attacks: from a view without labels to scores of classes.

`base` defines what an attack is and what it is given. Controls and scoring are
elsewhere, and nothing is imported from `defenses` or `information`.
"""

import inspect
from typing import Any

from vfl_jax.attacks import active_completion
from vfl_jax.attacks import base
from vfl_jax.attacks import batch_inversion
from vfl_jax.attacks import clustering
from vfl_jax.attacks import completion
from vfl_jax.attacks import embedding_swap
from vfl_jax.attacks import enumeration
from vfl_jax.attacks import feature_inversion
from vfl_jax.attacks import gradients
from vfl_jax.attacks import supervised
from vfl_jax.attacks import surrogates
from vfl_jax.config import registry

__all__ = ["ATTACKS", "build"]

ATTACKS = {
  "passive_completion": completion.passive_completion,
  "active_completion": active_completion.active_completion,
  "direct": gradients.direct,
  "norm": gradients.norm,
  "direction": gradients.direction,
  "hint": gradients.hint,
  "supervised_gradients": supervised.supervised_gradients,
  "supervised_embeddings": supervised.supervised_embeddings,
  "spectral": clustering.spectral,
  "gradient_clustering": clustering.gradient_clustering,
  "similarity": clustering.similarity,
  "unsplit": surrogates.unsplit,
  "exploit": surrogates.exploit,
  "batch_inversion": batch_inversion.batch_inversion,
  "enumeration": enumeration.enumeration,
  "embedding_swap": embedding_swap.embedding_swap,
  "feature_inversion": feature_inversion.feature_inversion,
}


def build(
  name: str, *, budget: int = 0, oracle: bool = False, **keywords: Any
) -> base.Attack:
  """Builds the named attack.

  Args:
    name: key of `ATTACKS`, or the user's own `package.module:builder`.
    budget: largest number of training iterations where the options do not set
      `steps`; an attack whose default is smaller keeps its default. 0 sets no
      limit.
    oracle: whether the attack offers choices along its training, if it can.
    **keywords: options of the attack.

  Returns:
    The attack.

  Raises:
    ValueError: the name or an option is unknown, or the builder refuses a
      value.
  """
  builder = registry.lookup(ATTACKS, "attack", name)
  accepted = registry.parameters(builder)
  given: dict[str, Any] = {"oracle": oracle} if "oracle" in accepted else {}
  if budget and "steps" in accepted:
    usual = inspect.signature(builder).parameters["steps"].default
    given["steps"] = min(budget, usual) if isinstance(usual, int) else budget
  keywords = {**given, **keywords}
  return registry.build("attack", ATTACKS, name, **keywords)
