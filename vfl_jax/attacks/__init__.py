"""Label inference attacks: from a view, which has no labels, to scores."""

import inspect
from typing import Any

from vfl_jax import registry
from vfl_jax import types
from vfl_jax.attacks.averages import batch_inversion
from vfl_jax.attacks.clustering import gradient_clustering
from vfl_jax.attacks.clustering import similarity
from vfl_jax.attacks.clustering import spectral
from vfl_jax.attacks.active import active_completion
from vfl_jax.attacks.completion import passive_completion
from vfl_jax.attacks.gradient import direct
from vfl_jax.attacks.gradient import direction
from vfl_jax.attacks.gradient import hint
from vfl_jax.attacks.gradient import norm
from vfl_jax.attacks.inversion import feature_inversion
from vfl_jax.attacks.maps import enumeration
from vfl_jax.attacks.matching import exploit
from vfl_jax.attacks.matching import unsplit
from vfl_jax.attacks.swapping import embedding_swap

__all__ = ["ATTACKS", "build", "missing"]

ATTACKS = {
  "passive_completion": passive_completion,
  "active_completion": active_completion,
  "direct": direct,
  "norm": norm,
  "direction": direction,
  "hint": hint,
  "spectral": spectral,
  "gradient_clustering": gradient_clustering,
  "similarity": similarity,
  "unsplit": unsplit,
  "exploit": exploit,
  "batch_inversion": batch_inversion,
  "enumeration": enumeration,
  "embedding_swap": embedding_swap,
  "feature_inversion": feature_inversion,
}


def build(
  name: str, *, budget: int = 0, oracle: bool = False, **keywords: Any
) -> types.Attack:
  """The named attack.

  Args:
    name: a key of `ATTACKS`, or the user's own `package.module:builder`.
    budget: iterations that it may spend where it trains something and its
      options do not say `steps`; one that takes fewer by itself does so. 0:
      as many as it takes.
    oracle: whether it offers choices along its training, if it has any.
    **keywords: its options.

  Raises:
    ValueError: unknown name or option, or a value the builder refuses.
  """
  builder = registry.lookup(ATTACKS, "attack", name)
  known = registry.parameters(builder)
  given: dict[str, Any] = {"oracle": oracle} if "oracle" in known else {}
  if budget and "steps" in known:
    usual = inspect.signature(builder).parameters["steps"].default
    given["steps"] = min(budget, usual) if isinstance(usual, int) else budget
  keywords = {**given, **keywords}
  return registry.build("attack", ATTACKS, name, **keywords)


def missing(attack: types.Attack, setting: types.Setting) -> str:
  """Why an attack cannot run in a setting; empty if it can."""
  needs = attack.needs
  if not setting.cut and {"gradients", "averages", "bottom"} & needs:
    what = (
      "the party has no bottom"
      if "bottom" in needs
      else "no gradient comes down"
    )
    return f"at cut 0 {what}; take model.cut of at least 1"
  for need, messages, what in (
    ("gradients", "per_sample", "cut gradients"),
    ("averages", "averaged", "averaged gradients of its own weights"),
  ):
    if need in needs and setting.messages != messages:
      return (
        f"it needs {what}; set record.messages={messages!r} and record.epochs, "
        "e.g. (0,)"
      )
  if "gradients" in needs and len(setting.epochs) < attack.epochs:
    return (
      f"it reads {attack.epochs} recorded epochs; record.epochs is "
      f"{setting.epochs}"
    )
  if "first epoch" in needs and 0 not in setting.epochs:
    return (
      "it reads the first epoch; take record.epochs with 0 (now "
      f"{setting.epochs})"
    )
  if "logits" in needs and setting.cut < setting.stages:
    return (
      "it reads the gradient of summed logits; take model.cut="
      f"{setting.stages}, behind the last stage"
    )
  if "code" in needs and not setting.code:
    return "no defence trains on a code of the labels; take 'cae', say"
  if "pairs" in needs and not setting.pairs:
    return "no defence mixes samples two by two; take 'mixup'"
  if attack.optimizer and setting.optimizer != "sgd":
    return (
      "it amplifies the momentum of SGD; set train.optimizer='sgd' (now "
      f"{setting.optimizer!r})"
    )
  if "label_prior" in needs and not setting.label_prior:
    return "it needs the class shares; set evaluate.label_prior=True"
  return ""
