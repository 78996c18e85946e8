"""The cut splits one model into bottom models and a top model.

Every feature-holding party has its own copy of the stages `[:cut]`. The stages
`[cut:]` exist once, at the active party, and take the merged embeddings.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Int

from vfl_jax.defenses import base
from vfl_jax import models
from vfl_jax.models import stages
from vfl_jax.runtime import memo
from vfl_jax.runtime import rng

PyTree = Any


class Net(NamedTuple):
  """A model split at a cut: pure functions, no state.

  Variables are `{"bottoms": (one per party), "top": ...}`, each a dict of
  `{"params", "stats"}` keyed by stage.

  Attributes:
    model: the architecture.
    cut: number of stages in each bottom model.
    parties: number of feature-holding parties.
    init: `init(key, inputs) -> variables` (numpy leaves, drawn on the host).
    init_top: `init_top(key, embeddings) -> variables` of the top alone.
    bottom: `bottom(variables, x, train=False, start=0, stop=None) ->
      (h, stats)`, which runs the stages `[start:stop]` of those below the cut.
    top: `top(variables, embeddings) -> scores`, the top when it is used.
    forward: `forward(variables, embeddings, moment) -> (logits, stats, cost)`,
      the top in training; the cost, in nats, is that of the defence's guard.
    penalty: `penalty(variables, embeddings, targets, moment) -> cost`, the
      guard's penalty in nats; targets `[n, classes]`.
    activations: `activations(variables, inputs) -> (bottoms, top)`: for each
      party the outputs of the layers 0 (its input) to `cut`, then those of the
      merged layers from `cut` to the last.
    loss: `loss(logits, targets) -> mean cross entropy in nats`; targets are
      labels `[n]` or distributions `[n, classes]`.
  """

  model: models.Model
  cut: int
  parties: int
  init: Callable[..., PyTree]
  init_top: Callable[..., PyTree]
  bottom: Callable[..., tuple[PyTree, PyTree]]
  top: Callable[..., jax.Array]
  forward: Callable[..., tuple[jax.Array, PyTree, jax.Array]]
  penalty: Callable[..., jax.Array]
  activations: Callable[..., tuple[tuple, tuple]]
  loss: Callable[..., jax.Array]


@memo.shared
def at(
  model: models.Model,
  cut: int,
  parties: int,
  defense: base.Defense = base.Defense(),  # noqa: B008
  passive: int | None = None,
) -> Net:
  """Splits a model at a cut.

  Args:
    model: architecture from `models.build`.
    cut: number of stages that the parties hold, 0 to `len(model.stages)`. At 0
      raw features go up; at the last, each party's logits go up and are summed.
    parties: number of feature-holding parties.
    defense: defence whose guard becomes part of the top, and whose `decode` is
      applied when the top is used.
    passive: number of parties, the first ones, that the guard is against; None
      for all.

  Raises:
    ValueError: the cut or the number of parties is out of range.

  >>> net = at(models.build("mlp", num_classes=3, hidden=(8,)), 1, parties=2)
  >>> x = (jnp.ones((5, 4)), jnp.ones((5, 6)))
  >>> variables = net.init(jax.random.key(0), x)
  >>> h, _ = net.bottom(variables["bottoms"][1], x[1])
  >>> h.shape
  (5, 8)
  """
  if not 0 <= cut <= len(model.stages):
    raise ValueError(
      f"model.cut is {cut}; {model.name} has {len(model.stages)} stages, so "
      f"take 0 to {len(model.stages)} (its reference cut is "
      f"{model.reference_cut})."
    )
  if parties < 1:
    raise ValueError(f"data.parties is {parties}; take at least 1.")
  below, above = model.stages[:cut], model.stages[cut:]
  guard = defense.guard if cut else None
  guarded = parties if passive is None else passive

  def merge(outputs: Sequence[PyTree]) -> PyTree:
    if not below:
      return model.merge_inputs(outputs)
    if not above:
      return sum(outputs)
    return below[-1].merge(outputs)

  def init(key, inputs):
    bottoms, outputs = [], []
    for k, x in enumerate(inputs):
      variables, x = _init(below, rng.stream(key, "bottom", k), x, k)
      bottoms.append(variables)
      outputs.append(x)
    top = init_top(rng.stream(key, "top"), outputs)
    return {"bottoms": tuple(bottoms), "top": top}

  def init_top(key, embeddings):
    merged = jax.eval_shape(lambda *h: merge(h), *embeddings)
    variables = _init(above, key, merged, None)[0]
    if guard is not None and guard.init is not None:
      drawn = guard.init(
        rng.stream(key, "guard"), embeddings[:guarded], model.num_classes
      )
      variables["params"]["guard"] = drawn
    return variables

  def guarding(variables, embeddings, moment):
    """The embeddings after the guard, and the guard's cost in nats."""
    if guard is None or guard.apply is None:
      return embeddings, jnp.float32(0.0)
    passed, cost = guard.apply(
      variables["params"].get("guard"), tuple(embeddings[:guarded]), moment
    )
    return (*passed, *embeddings[guarded:]), cost

  def forward(variables, embeddings, moment=None):
    embeddings, cost = guarding(variables, embeddings, moment)
    y, stats = _run(above, variables, merge(embeddings), True)
    return y[-1], {**variables["stats"], **stats}, cost

  def penalty(variables, embeddings, targets, moment):
    if guard is None or guard.penalty is None:
      return jnp.float32(0.0)
    params = variables["params"].get("guard")
    return guard.penalty(params, embeddings[:guarded], targets, moment)

  def top(variables, embeddings):
    embeddings, _ = guarding(variables, embeddings, None)
    y, _ = _run(above, variables, merge(embeddings), False)
    if defense.decode is None:
      return y[-1]
    return defense.decode(variables["stats"]["codes"], y[-1])

  def activations(variables, inputs):
    bottoms = tuple(
      _run(below, variables["bottoms"][k], x, False)[0]
      for k, x in enumerate(inputs)
    )
    last, _ = guarding(
      variables["top"], [layers[-1] for layers in bottoms], None
    )
    return bottoms, _run(above, variables["top"], merge(last), False)[0]

  return Net(
    model,
    cut,
    parties,
    init,
    init_top,
    _bottom(below),
    top,
    forward,
    penalty,
    activations,
    cross_entropy,
  )


@functools.lru_cache
def _bottom(below):
  """The bottom function of a list of stages.

  Nets with the same stages below the cut share it, so that attacks on it are
  compiled once for all experiments of a process.
  """

  def bottom(variables, x, train=False, start=0, stop=None):
    y, stats = _run(below[start:stop], variables, x, train)
    return y[-1], {**variables["stats"], **stats}

  return bottom


def together(variables: Sequence[Any]) -> Any:
  """Joins bottom variables of one adversary; a coalition's become tuples.

  Args:
    variables: variables of one bottom model per member.
  """
  if len(variables) == 1:
    return variables[0]
  return {c: tuple(v[c] for v in variables) for c in ("params", "stats")}


@functools.lru_cache
def joint(bottom: Callable, count: int) -> Callable:
  """The bottom function of several parties as one.

  Args:
    bottom: `Net.bottom`.
    count: number of parties.

  Returns:
    `bottom` itself for one party; else a function like it whose arguments and
    results are tuples with one entry per party.
  """
  if count == 1:
    return bottom

  def coalition(variables, x, train=False, start=0, stop=None):
    outputs = [
      bottom({"params": params, "stats": stats}, member_x, train, start, stop)
      for params, stats, member_x in zip(
        variables["params"], variables["stats"], x, strict=True
      )
    ]
    h, stats = zip(*outputs, strict=True)
    return h, stats

  return coalition


def cross_entropy(
  logits: Float[Array, "batch classes"],
  targets: Int[Array, " batch"] | Float[Array, "batch classes"],
) -> Float[Array, ""]:
  """Mean cross entropy in nats; targets are labels or distributions."""
  targets = one_hot(targets, logits.shape[-1])
  return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), -1))


def one_hot(
  targets: Int[Array, " rows"] | Float[Array, "rows classes"], classes: int
) -> Float[Array, "rows classes"]:
  """Labels as distributions over classes; distributions stay as they are."""
  if targets.ndim > 1:
    return targets
  return jax.nn.one_hot(targets, classes, dtype=jnp.float32)


def _init(chain, key, x, party):
  params, stats = {}, {}
  for stage in chain:
    variables, x = stages.init(stage, rng.stream(key, stage.name), x, party)
    params[stage.name] = variables["params"]
    stats[stage.name] = variables["stats"]
  return {"params": params, "stats": stats}, x


def _run(chain, variables, x, train):
  outputs, stats = [x], {}
  for stage in chain:
    at_stage = {c: variables[c][stage.name] for c in ("params", "stats")}
    x, stats[stage.name] = stages.apply(stage, at_stage, x, train)
    outputs.append(x)
  return outputs, stats
