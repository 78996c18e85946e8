"""Optimisers: every party has its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from typing import NamedTuple

import jax
import optax

from vfl_jax.config import entries
from vfl_jax.config import registry
from vfl_jax.runtime import memo

PyTree = Any

# the keys that an entry of train.overrides may set for one party
KEYS = (
  "optimizer",
  "learning_rate",
  "momentum",
  "weight_decay",
  "schedule",
  "boundaries",
)


class Optimizers(NamedTuple):
  """One optax transformation per bottom model, and one for the top model."""

  bottoms: tuple[optax.GradientTransformation, ...]
  top: optax.GradientTransformation

  @classmethod
  def same(cls, rule: optax.GradientTransformation, parties: int):
    """The same rule for all parties; each still has its own state."""
    return cls((rule,) * parties, rule)

  def init(self, variables: PyTree) -> PyTree:
    """Optimiser states before training, structured like the variables."""
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


@memo.shared
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
  """Builds the optimiser of one party.

  Args:
    name: "sgd" or "adam".
    learning_rate: peak learning rate.
    steps: number of steps in the whole training.
    momentum: momentum of SGD; Adam ignores it.
    weight_decay: coefficient of the L2 penalty, added to the gradient (SGD) or
      decoupled (Adam).
    schedule: "constant", "cosine", or "steps" (times 0.1 at each boundary).
    boundaries: shares of the training after which "steps" lowers the rate.
    local: `local(decay) -> transformation` that a malicious party uses instead
      of momentum; for SGD only.

  Raises:
    ValueError: the optimiser or schedule is unknown, or `local` is given for
      an optimiser other than SGD.
  """
  scheduled = registry.lookup(SCHEDULES, "train.schedule", schedule)
  rate = scheduled(learning_rate, steps, boundaries)
  if local is not None:
    if name != "sgd":
      raise ValueError(
        "a malicious optimiser replaces the momentum of SGD, which "
        f"{name!r} does not have; set train.optimizer='sgd'."
      )
    return optax.chain(
      optax.add_decayed_weights(weight_decay),
      local(momentum),
      optax.scale_by_learning_rate(rate),
    )
  optimizer = registry.lookup(OPTIMIZERS, "train.optimizer", name)
  return optimizer(rate, momentum, weight_decay)


def restarted(state: Any) -> Any:
  """The training state with its learning-rate schedules reset to the start."""

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
  """Builds the optimiser of every party.

  The section `train` holds the defaults; `train.overrides` changes them for
  single parties.

  Args:
    options: the config's section `train`.
    parties: number of parties.
    steps: number of steps per epoch.
    local: malicious optimisers by party number.

  Raises:
    ValueError: see `build`.
  """
  overrides = dict(entries.pieces(options.overrides))

  def of(holder, local=None):
    values = {key: options[key] for key in KEYS}
    values.update(overrides.get(holder, {}))
    values["boundaries"] = tuple(values["boundaries"])
    name, total = values.pop("optimizer"), steps * options.epochs
    # parties with equal settings share one object, to run together
    return build(name, steps=total, local=local, **values)

  bottoms = tuple(of(f"party {k}", local.get(k)) for k in range(parties))
  return Optimizers(bottoms, of("top"))


def local_optimizer(config, passive):
  """The optimiser of the passive parties.

  Args:
    config: the experiment's config.
    passive: number of passive parties, which come first.

  Returns:
    "sgd" if all of them use SGD, else the name of another one in use.
  """
  by_party = {
    entry["name"]: entry.get("optimizer", config.train.optimizer)
    for entry in map(dict, config.train.overrides)
  }
  used = {
    by_party.get(f"party {k}", config.train.optimizer) for k in range(passive)
  }
  return "sgd" if used == {"sgd"} else min(used - {"sgd"})
