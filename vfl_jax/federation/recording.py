"""Records messages of chosen epochs and snapshots of all variables."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Int
import numpy as np

from vfl_jax.federation import messages as federation_messages

PyTree = Any


class Recorder(NamedTuple):
  """Which messages of an epoch are recorded; none by default.

  Attributes:
    rows: training rows whose messages are recorded, sorted.
    passive: number of parties, the first ones, that record their messages.
    averaged: whether to record what a party learns if cut gradients are hidden
      from it: the gradient of its own weights, averaged over a batch. The
      first steps of the epoch are recorded until they cover as many rows as
      `rows` has.
  """

  rows: np.ndarray = np.arange(0)
  passive: int = 0
  averaged: bool = False

  def __eq__(self, other):
    return isinstance(other, Recorder) and self._content == other._content

  def __hash__(self):
    return hash(self._content)

  @property
  def _content(self):
    rows = np.asarray(self.rows)
    return rows.dtype.str, rows.tobytes(), self.passive, self.averaged


def scan(
  recorder: Recorder,
  body: Callable[
    [PyTree, tuple], tuple[PyTree, PyTree, federation_messages.Sent]
  ],
  state: PyTree,
  batches: tuple[Int[Array, " steps"], Int[Array, "steps batch"]],
  total: int,
) -> tuple[PyTree, PyTree, PyTree]:
  """Runs one epoch and records its messages.

  Args:
    recorder: which messages to record.
    body: `body(state, (number, rows)) -> (state, metrics, sent)`, one step.
    state: training state before the epoch.
    batches: numbers of the steps, `[steps]`, and rows of each batch,
      `[steps, batch]`.
    total: number of training rows.

  Returns:
    `(state, metrics by step, kept)`. `kept["parties"]` has one dict per party
    with the keys of `Sent.rows`; each value is `[recorded rows, ...]`, NaN for
    rows in no batch (the remainder of an epoch is dropped).
    `kept["announced"]` has the keys of `Sent.announced`, -1 for such rows. For
    averaged messages each party has the keys of `Sent.step`, with one entry
    per step, and "rows", the rows of each batch.
  """
  if recorder.averaged:
    return _averaged(recorder, body, state, batches)
  count = len(recorder.rows)
  slots = jnp.full(total, count)  # the slot past the end drops other rows
  slots = slots.at[recorder.rows].set(jnp.arange(count))

  def shown(sent):
    parties = sent.rows[: recorder.passive]
    return {"parties": parties, "announced": sent.announced}

  first = jax.tree.map(lambda a: a[0], batches)
  shapes = jax.eval_shape(lambda *a: shown(body(*a)[2]), state, first)
  empty = jax.tree.map(
    lambda a: jnp.full(
      (count, *a.shape[1:]),
      jnp.nan if jnp.issubdtype(a.dtype, jnp.inexact) else -1,
      a.dtype,
    ),
    shapes,
  )

  def step(carry, batch):
    state, kept = carry
    rows = batch[1]
    state, metrics, sent = body(state, batch)
    kept = jax.tree.map(
      lambda all_rows, batch_values: all_rows.at[slots[rows]].set(
        batch_values, mode="drop"
      ),
      kept,
      shown(sent),
    )
    return (state, kept), metrics

  (state, kept), metrics = jax.lax.scan(step, (state, empty), batches)
  return state, metrics, kept


def _averaged(recorder, body, state, batches):
  steps, size = batches[1].shape
  kept_steps = min(steps, -(-len(recorder.rows) // size))

  def step(state, batch):
    state, metrics, sent = body(state, batch)
    rows = batch[1]
    parties = tuple({**s, "rows": rows} for s in sent.step[: recorder.passive])
    return state, (metrics, {"parties": parties, "announced": {}})

  def unseen(state, batch):
    state, metrics, _ = body(state, batch)
    return state, metrics

  cut = lambda span: jax.tree.map(lambda a: a[span], batches)
  state, (first, kept) = jax.lax.scan(step, state, cut(slice(kept_steps)))
  state, rest = jax.lax.scan(unseen, state, cut(slice(kept_steps, None)))
  metrics = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, rest)
  return state, metrics, kept


def keep(
  variables: PyTree,
  shapes: PyTree = None,
  *,
  messages: Sequence[int] = (),
  snapshots: Sequence[int] = (),
) -> PyTree:
  """Allocates empty storage for messages and snapshots.

  Args:
    variables: variables before training.
    shapes: shapes of what `scan` records in an epoch; needed only if
      `messages` names epochs.
    messages: epochs (from 0) whose messages are recorded, with the bottoms
      after each.
    snapshots: numbers of finished epochs after which all variables are
      copied; 0 is before training.

  Returns:
    `{"messages": {epoch: {"parties", "announced", "bottoms"}}, "snapshots":
    {epoch: variables}}`, in the shapes that a checkpoint restores.
  """
  empty = lambda tree: jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), tree)
  return {
    "messages": {
      str(e): {
        **empty(shapes),
        "bottoms": empty(variables["bottoms"][: len(shapes["parties"])]),
      }
      for e in messages
    },
    "snapshots": {
      str(e): empty(variables) if e else jax.tree.map(jnp.copy, variables)
      for e in snapshots
    },
  }
