"""Who updates with what: every party has an optimiser of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from typing import NamedTuple

import jax
import optax

from vfl_jax.config import entries
from vfl_jax.config import registry

PyTree = Any

# what a party sets of its own
KEYS = (
  "optimizer",
  "learning_rate",
  "momentum",
  "weight_decay",
  "schedule",
  "boundaries",
)


class Optimizers(NamedTuple):
  """Who updates with what: one transformation per bottom, one for the top."""

  bottoms: tuple[optax.GradientTransformation, ...]
  top: optax.GradientTransformation

  @classmethod
  def same(cls, rule: optax.GradientTransformation, parties: int):
    """One rule for everybody; the states are still each party's own."""
    return cls((rule,) * parties, rule)

  def init(self, variables: PyTree) -> PyTree:
    """States before training, in the structure of the variables."""
    bottoms = tuple(
      rule.init(v["params"])
      for rule, v in zip(self.bottoms, variables["bottoms"], strict=True)
    )
    return {
      "bottoms": bottoms,
      "top": self.top.init(variables["top"]["params"]),
    }


SCHEDULES: dict[str, Callable[..., Any]] = {
  "constant": lambda rate, steps, boundaries: rate,
  "cosine": lambda rate, steps, boundaries: optax.cosine_decay_schedule(
    rate, steps
  ),
  "steps": lambda rate, steps, boundaries: optax.piecewise_constant_schedule(
    rate, {int(b * steps): 0.1 for b in boundaries}
  ),
}
OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
  "sgd": lambda rate, momentum, decay: optax.chain(
    optax.add_decayed_weights(decay),
    optax.sgd(rate, momentum=momentum or None),
  ),
  "adam": lambda rate, momentum, decay: optax.adamw(rate, weight_decay=decay),
}


def build(
  name: str,
  *,
  learning_rate: float,
  steps: int,
  momentum: float = 0.9,
  weight_decay: float = 0.0,
  schedule: str = "constant",
  boundaries: Sequence[float] = (0.5, 0.85),
  local: Callable[[float], optax.GradientTransformation] | None = None,
) -> optax.GradientTransformation:
  """An optimiser by name, for one party.

  Args:
    name: "sgd" or "adam".
    learning_rate: peak value.
    steps: length of the whole training.
    momentum: of SGD.
    weight_decay: L2 penalty added to the gradient (SGD) or decoupled (Adam).
    schedule: "constant", "cosine", or "steps" (times 0.1 at each boundary).
    boundaries: of "steps", as shares of the training.
    local: what a malicious party puts in place of its momentum, given its
      decay; of SGD only.

  Raises:
    ValueError: unknown optimiser or schedule, or `local` without momentum.
  """
  scheduled = registry.lookup(SCHEDULES, "train.schedule", schedule)
  rate = scheduled(learning_rate, steps, boundaries)
  if local is not None:
    if name != "sgd":
      raise ValueError(
        f"a malicious optimiser replaces the momentum of SGD; {name!r} has no "
        "such part."
      )
    return optax.chain(
      optax.add_decayed_weights(weight_decay),
      local(momentum),
      optax.scale_by_learning_rate(rate),
    )
  optimizer = registry.lookup(OPTIMIZERS, "train.optimizer", name)
  return optimizer(rate, momentum, weight_decay)


def restarted(state: Any) -> Any:
  """A state of training whose schedules of learning rates begin anew."""

  def begun(leaf):
    if isinstance(leaf, optax.ScaleByScheduleState):
      return leaf._replace(count=leaf.count * 0)
    return leaf

  return jax.tree.map(
    begun, state, is_leaf=lambda x: isinstance(x, optax.ScaleByScheduleState)
  )


def rules(
  options: Any, parties: int, steps: int, local: Mapping[int, Any] = {}
) -> Optimizers:
  """Each party's own: the section `train`, then its entry in the overrides.

  Args:
    options: the section `train`.
    parties: number of them.
    steps: of an epoch.
    local: malicious optimisers by party.
  """
  overrides = dict(entries.pieces(options.overrides))
  made = {}  # one object for all who set the same: such parties run as one

  def of(holder, local=None):
    values = {key: options[key] for key in KEYS}
    values.update(overrides.get(holder, {}))
    described = id(local), repr(values)
    if described not in made:
      name = values.pop("optimizer")
      total = steps * options.epochs
      made[described] = build(name, steps=total, local=local, **values)
    return made[described]

  bottoms = tuple(of(f"party {k}", local.get(k)) for k in range(parties))
  return Optimizers(bottoms, of("top"))


def local_optimizer(config, passive):
  """What the passive parties update with: "sgd" if each of them does."""
  by_party = {
    entry["name"]: entry.get("optimizer", config.train.optimizer)
    for entry in map(dict, config.train.overrides)
  }
  used = {
    by_party.get(f"party {k}", config.train.optimizer) for k in range(passive)
  }
  return "sgd" if used == {"sgd"} else min(used - {"sgd"})
