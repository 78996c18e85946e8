"""The epochs of a training, one after another, and what is kept of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vfl_jax.federation import train

PyTree = Any
# to compile a second program takes longer than to record as many epochs more
RECORDED_MORE = 30


def records(kept: PyTree, epochs: int) -> bool:
  """Whether every epoch runs in the program that records; see `fit`."""
  recorded = len(kept["messages"])
  return recorded > 0 and epochs - recorded <= RECORDED_MORE


def fit(
  learner: train.Learner,
  state: PyTree,
  inputs: Sequence[PyTree],
  targets: jax.Array,
  keys: jax.Array,
  *,
  start: int,
  epochs: int,
  kept: PyTree,
) -> Iterator[tuple[int, PyTree, PyTree, dict[str, jax.Array]]]:
  """Train epoch by epoch, yielding `(epoch, state, kept, metrics)`.

  Where few epochs are not to be kept they run in the program that records.

  Args:
    learner: from `train.make`.
    state: from `learner.init` or a checkpoint.
    inputs: features per party.
    targets: labels or soft targets, `[seeds, n, ...]`.
    keys: one key per seed.
    start: epochs already done.
    epochs: in all.
    kept: to be filled, see `recording.keep`.
  """
  one_program = records(kept, epochs)
  for epoch in range(start, epochs):
    name = str(epoch)
    messages, snapshots = kept["messages"], kept["snapshots"]
    arguments, sent = (state, inputs, targets, keys, epoch), {}
    if name in messages or one_program:
      state, metrics, sent = learner.recording_epoch(*arguments)
    else:
      state, metrics = learner.epoch(*arguments)
    if name in messages:
      passive = len(sent["parties"])
      bottoms = _copied(state["variables"]["bottoms"][:passive])
      messages = {**messages, name: {**sent, "bottoms": bottoms}}
    if str(epoch + 1) in snapshots:
      copied = _copied(state["variables"])
      snapshots = {**snapshots, str(epoch + 1): copied}
    kept = {"messages": messages, "snapshots": snapshots}
    yield epoch, state, kept, metrics


@jax.jit
def finite(variables: PyTree) -> jax.Array:
  """Per seed, whether every variable is finite."""
  leaves = jax.tree.leaves(variables)
  return jnp.isfinite(
    jnp.concatenate([a.reshape(len(a), -1) for a in leaves], axis=1)
  ).all(1)


def _copied(tree):
  """The state is donated to the next epoch."""
  return jax.tree.map(jnp.copy, tree)
