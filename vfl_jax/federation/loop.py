"""Runs the epochs of a training and keeps messages and snapshots."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Bool

from vfl_jax.federation import train

PyTree = Any
# compiling a second program takes longer than recording this many extra epochs
RECORDED_MORE = 30


def records(kept: PyTree, epochs: int) -> bool:
  """Whether every epoch runs in the recording program; see `fit`.

  Args:
    kept: storage from `recording.keep`.
    epochs: total number of epochs.
  """
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
  """Trains epoch by epoch.

  If only a few epochs need no recording, they too run in the recording
  program, which saves compiling a second one.

  Args:
    learner: compiled functions from `train.make`.
    state: training state from `learner.init` or a checkpoint; it is donated.
    inputs: features of the training rows, one tree per party.
    targets: labels or soft targets, `[seeds, n, ...]`.
    keys: one root key per seed.
    start: number of epochs already done.
    epochs: total number of epochs.
    kept: storage from `recording.keep` that receives messages and snapshots.

  Yields:
    `(epoch, state, kept, metrics)` after each epoch.
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
def finite(variables: PyTree) -> Bool[Array, " seeds"]:
  """Whether all variables of a seed are finite, one value per seed."""
  leaves = jax.tree.leaves(variables)
  return jnp.isfinite(
    jnp.concatenate([a.reshape(len(a), -1) for a in leaves], axis=1)
  ).all(1)


def _copied(tree):
  """A copy, because the state is donated to the next epoch."""
  return jax.tree.map(jnp.copy, tree)
