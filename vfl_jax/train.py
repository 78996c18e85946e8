"""Training a split model: the only place where labels and embeddings meet.

One jit is one epoch of all seeds: the permutation is drawn inside, a scan runs
over its batches, the state is donated. Logging, checkpoints and the check for
non-finite losses happen between epochs.
"""

from collections.abc import Callable, Iterator, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax import mapping
from vfl_jax import optimizers
from vfl_jax import rng
from vfl_jax import split

PyTree = Any
EVALUATION_ROWS = 500


class Learner(NamedTuple):
  """Compiled functions of one experiment; every array has a seed axis first.

  Attributes:
    init: `init(keys, inputs) -> state`.
    epoch: `epoch(state, inputs, targets, keys, epoch) -> (state, metrics)`.
    recording_epoch: the same with `gradients`, per passive party the cut
      gradients of the recorded rows, as a third result.
    predict: `predict(variables, inputs) -> logits [seeds, n, classes]`.
  """

  init: Callable[..., PyTree]
  epoch: Callable[..., tuple[PyTree, PyTree]]
  recording_epoch: Callable[..., tuple[PyTree, PyTree, PyTree]]
  predict: Callable[..., jax.Array]


def step(net, rules, defense, state, inputs, targets):
  """One round of the protocol and one update of every party.

  Returns:
    `(state, metrics, messages)`, the messages as they were sent (defended).
  """
  variables = state["variables"]
  messages, pulls, top_gradient, stats, (loss, logits) = split.exchange(
    net, variables, inputs, targets
  )
  sent, defense_state = messages.gradients, state["defense"]
  if defense is not None and net.cut:
    sent, defense_state = defense.update(sent, defense_state, labels=targets)
  if net.cut:
    gradients = tuple(pull(g) for pull, g in zip(pulls, sent, strict=True))
  else:  # nothing came down, and there is nothing to train below
    gradients = tuple(v["params"] for v in variables["bottoms"])

  def updated(rule, values, gradient, optimizer_state, new_stats):
    change, optimizer_state = rule.update(
      gradient, optimizer_state, values["params"]
    )
    params = optax.apply_updates(values["params"], change)
    return {"params": params, "stats": new_stats}, optimizer_state

  bottoms = [
    updated(*args)
    for args in zip(
      rules.bottoms,
      variables["bottoms"],
      gradients,
      state["optimizer"]["bottoms"],
      stats["bottoms"],
      strict=True,
    )
  ]
  top, top_state = updated(
    rules.top,
    variables["top"],
    top_gradient,
    state["optimizer"]["top"],
    stats["top"],
  )
  state = {
    "variables": {"bottoms": tuple(b[0] for b in bottoms), "top": top},
    "optimizer": {"bottoms": tuple(b[1] for b in bottoms), "top": top_state},
    "defense": defense_state,
  }
  hard = targets if targets.ndim == 1 else jnp.argmax(targets, -1)
  metrics = {
    "loss": loss,
    "accuracy": jnp.mean(jnp.argmax(logits, -1) == hard),
  }
  return state, metrics, messages._replace(gradients=sent)


def make(
  net: split.Net,
  rules: optimizers.Optimizers,
  *,
  batch_size: int,
  steps: int,
  defense: optax.GradientTransformationExtraArgs | None = None,
  recorded_rows: np.ndarray = np.arange(0),  # noqa: B008
  passive: int = 1,
) -> Learner:
  """The compiled functions of an experiment.

  Args:
    net: the split model.
    rules: each party's own optimiser.
    batch_size: rows per step.
    steps: steps per epoch; the remainder of a permutation is dropped.
    defense: transformation of the messages going down, labels at hand.
    recorded_rows: training rows whose gradients `recording_epoch` returns;
      NaN for those in no batch of that epoch (a remainder is dropped).
    passive: number of parties whose gradients are recorded.
  """
  how = mapping.method(net.model.convolutional)

  def init(keys, inputs):
    example = jax.tree.map(
      lambda a: jax.ShapeDtypeStruct((2, *a.shape[1:]), a.dtype),
      tuple(inputs),
    )
    drawn = [net.init(rng.stream(key, "init"), example) for key in keys]
    variables = jax.tree.map(lambda *a: jnp.asarray(np.stack(a)), *drawn)

    def states(key, variables):
      noise = defense.init(rng.stream(key, "defense")) if defense else ()
      return {
        "variables": variables,
        "optimizer": rules.init(variables),
        "defense": noise,
      }

    return jax.jit(jax.vmap(states))(keys, variables)

  def run_epoch(record, state, inputs, targets, key, epoch):
    order = jax.random.permutation(
      rng.stream(key, "shuffle", epoch), targets.shape[0]
    )
    order = order[: steps * batch_size].reshape(steps, batch_size)
    buffers, slots = (), jnp.arange(0)
    if record:
      count = len(recorded_rows)
      slots = jnp.full(targets.shape[0], count)
      slots = slots.at[recorded_rows].set(jnp.arange(count))
      h = jax.eval_shape(
        lambda v, x: tuple(
          net.bottom(v["bottoms"][k], x[k])[0] for k in range(passive)
        ),
        state["variables"],
        mapping.take(tuple(inputs), order[0]),
      )
      buffers = jax.tree.map(
        lambda a: jnp.full((count, *a.shape[1:]), jnp.nan, a.dtype), h
      )

    def body(carry, index):
      state, buffers = carry
      batch = mapping.take(tuple(inputs), index)
      state, metrics, messages = step(
        net, rules, defense, state, batch, targets[index]
      )
      if record:  # rows that are not recorded point past the end
        buffers = jax.tree.map(
          lambda b, g: b.at[slots[index]].set(g, mode="drop"),
          buffers,
          messages.gradients[:passive],
        )
      return (state, buffers), metrics

    (state, buffers), metrics = jax.lax.scan(body, (state, buffers), order)
    metrics = jax.tree.map(jnp.mean, metrics)
    return (state, metrics, buffers) if record else (state, metrics)

  def compiled(record):
    def one(*args):
      return run_epoch(record, *args)

    mapped = mapping.over(one, how, in_axes=(0, None, 0, 0, None))
    return jax.jit(mapped, donate_argnums=0)

  def predict(variables, inputs):
    def logits(variables, inputs):
      def block(x):
        h = tuple(
          net.bottom(v, x_k)[0]
          for v, x_k in zip(variables["bottoms"], x, strict=True)
        )
        return net.top(variables["top"], h)[0]

      return mapping.chunked(block, tuple(inputs), EVALUATION_ROWS)

    return mapping.over(logits, how, in_axes=(0, None))(variables, inputs)

  return Learner(init, compiled(False), compiled(True), jax.jit(predict))


def fit(
  learner: Learner,
  state: PyTree,
  inputs: Sequence[PyTree],
  targets: jax.Array,
  keys: jax.Array,
  *,
  start: int,
  epochs: int,
  kept: PyTree,
) -> Iterator[tuple[int, PyTree, PyTree, dict[str, np.ndarray]]]:
  """Train epoch by epoch, yielding `(epoch, state, kept, metrics)`.

  Args:
    learner: from `make`.
    state: from `learner.init` or a checkpoint.
    inputs: features per party.
    targets: labels or soft targets, `[seeds, n, ...]`.
    keys: one key per seed.
    start: epochs already done.
    epochs: in all.
    kept: to be filled, see `keep`.
  """
  for epoch in range(start, epochs):
    name = str(epoch)
    messages, snapshots = kept["messages"], kept["snapshots"]
    if name in messages:
      state, metrics, gradients = learner.recording_epoch(
        state, inputs, targets, keys, epoch
      )
      bottoms = _copied(state["variables"]["bottoms"][: len(gradients)])
      entry = {"gradients": gradients, "bottoms": bottoms}
      messages = {**messages, name: entry}
    else:
      state, metrics = learner.epoch(state, inputs, targets, keys, epoch)
    if str(epoch + 1) in snapshots:
      copied = _copied(state["variables"])
      snapshots = {**snapshots, str(epoch + 1): copied}
    kept = {"messages": messages, "snapshots": snapshots}
    yield epoch, state, kept, jax.tree.map(np.asarray, metrics)


def finite(variables: Any) -> np.ndarray:
  """Per seed, whether every variable is finite."""
  return np.asarray(_finite(variables))


@jax.jit
def _finite(variables):
  return functools.reduce(
    jnp.logical_and,
    [
      jnp.isfinite(a).reshape(len(a), -1).all(1)
      for a in jax.tree.leaves(variables)
    ],
  )


def _copied(tree):
  """The state is donated to the next epoch."""
  return jax.tree.map(jnp.copy, tree)


def keep(
  net: split.Net,
  state: PyTree,
  inputs,
  *,
  messages: Sequence[int] = (),
  rows: int = 0,
  passive: int = 0,
  snapshots: Sequence[int] = (),
) -> PyTree:
  """What of the training outlives it, so far empty.

  Args:
    net: the split model.
    state: before training.
    inputs: features per party.
    messages: epochs (from 0) whose cut gradients are recorded, and the
      bottoms behind them.
    rows: recorded rows.
    passive: parties that record.
    snapshots: numbers of finished epochs after which all variables are
      copied; 0 is before training.

  Returns:
    `{"messages": {epoch: {"gradients", "bottoms"}}, "snapshots": {epoch:
    variables}}`, in the shapes that a checkpoint restores.
  """
  everything = state["variables"]
  bottoms = everything["bottoms"][:passive]
  gradients = ()
  if messages:
    shapes = tuple(
      jax.eval_shape(
        jax.vmap(lambda v, x=x: net.bottom(v, mapping.take(x, slice(0, 2)))[0]),
        v,
      )
      for v, x in zip(bottoms, inputs)
    )
    gradients = jax.tree.map(
      lambda a: jnp.zeros((a.shape[0], rows, *a.shape[2:]), a.dtype), shapes
    )
  empty = jax.tree.map(jnp.zeros_like, bottoms)
  return {
    "messages": {
      str(e): {"gradients": gradients, "bottoms": empty} for e in messages
    },
    "snapshots": {
      str(e): jax.tree.map(jnp.zeros_like if e else jnp.copy, everything)
      for e in snapshots
    },
  }
