"""Trains a split model; labels and embeddings meet only here.

One compiled program is one epoch of all seeds: it draws the permutation, scans
over the batches, and takes the state as donated. `loop` runs between epochs.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.defenses import base
from vfl_jax.federation import grouping
from vfl_jax.federation import optimizers
from vfl_jax.federation import protocol
from vfl_jax.federation import recording
from vfl_jax.federation import split
from vfl_jax.runtime import axes
from vfl_jax.runtime import memo
from vfl_jax.runtime import mesh
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

PyTree = Any
EVALUATION_ROWS = 500


class Learner(NamedTuple):
  """Compiled functions of one experiment; every array has a seed axis first.

  Attributes:
    init: `init(keys, inputs, codes=()) -> state`; codes are those that a
      defence prepared.
    epoch: `epoch(state, inputs, targets, keys, epoch) -> (state, metrics)`.
    recording_epoch: like `epoch`, with what `recording.scan` keeps as a third
      result. It has a sixth argument if parties send forged embeddings, see
      `Swap`.
    predict: `predict(variables, inputs) -> logits [seeds, n, classes]`.
  """

  init: Callable[..., PyTree]
  epoch: jax.stages.Wrapped
  recording_epoch: Callable[..., tuple[PyTree, PyTree, PyTree]]
  predict: Callable[..., jax.Array]


class Swap(NamedTuple):
  """What malicious parties send instead of their embeddings.

  These parties do not train meanwhile, because the gradients that come down do
  not belong to their own rows.

  Attributes:
    parties: numbers of the malicious parties.
    send: `send(h, known, rows, turn) -> h`. Its arguments are the embeddings
      of the batch, the current embeddings of the known samples, the training
      rows of the batch, and the number of the turn. The sixth argument of
      `recording_epoch` is `(known rows [seeds, m], turn [seeds])`.
  """

  parties: tuple[int, ...]
  send: Callable[..., PyTree]


class _Plan(NamedTuple):
  """The arguments of `make`, and how an epoch is mapped over seeds."""

  net: split.Net
  rules: optimizers.Optimizers
  batch_size: int
  steps: int
  epochs: int
  defense: base.Defense
  passive: int | None
  recorder: recording.Recorder
  swap: Swap | None
  layout: mesh.Layout

  @property
  def how(self) -> str:
    """How seeds are mapped, see `axes.over`."""
    if self.layout.mesh is not None:
      return "vmap"  # a sequence of seeds would leave other devices idle
    return axes.method(self.net.model.convolutional)

  @property
  def seeds(self) -> str | None:
    """The mesh axis of the seeds; None on one device."""
    return None if self.layout.mesh is None else mesh.SEED


@memo.shared
def make(
  net: split.Net,
  rules: optimizers.Optimizers,
  *,
  batch_size: int,
  steps: int,
  epochs: int = 1,
  defense: base.Defense = base.Defense(),  # noqa: B008
  passive: int | None = None,
  recorder: recording.Recorder = recording.Recorder(),  # noqa: B008
  swap: Swap | None = None,
  layout: mesh.Layout = mesh.Layout(),  # noqa: B008
) -> Learner:
  """Makes the compiled functions of an experiment.

  Args:
    net: the split model.
    rules: the optimiser of each party.
    batch_size: rows per step.
    steps: steps per epoch; the remainder of a permutation is dropped.
    epochs: number of epochs, for defences that change during training.
    defense: how the active party protects its labels.
    passive: number of parties, the first ones, that the defence is against;
      None for all.
    recorder: which messages `recording_epoch` records.
    swap: forged embeddings that malicious parties send in `recording_epoch`.
    layout: on which devices arrays live.
  """
  plan = _Plan(
    net,
    rules,
    batch_size,
    steps,
    epochs,
    defense,
    passive,
    recorder,
    swap,
    layout,
  )
  return Learner(
    functools.partial(_init, plan),
    _compiled(plan, record=False),
    _compiled(plan, record=True),
    jax.jit(functools.partial(_predict, plan)),
  )


def _init(plan, keys, inputs, codes=()):
  net, defense = plan.net, plan.defense
  example = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct((2, *a.shape[1:]), a.dtype),
    tuple(inputs),
  )
  drawn = [net.init(rng.stream(key, "init"), example) for key in keys]
  variables = jax.tree.map(lambda *a: np.stack(a), *drawn)
  if jax.tree.leaves(codes):
    variables["top"]["stats"]["codes"] = jax.tree.map(jnp.asarray, codes)
  total = jax.tree.leaves(inputs)[0].shape[0]

  def states(key, variables):
    defense_state = ()
    if defense.gradient is not None and net.cut:
      messages = _message_shapes(plan, variables, inputs)
      defense_state = defense.gradient.init(
        base.Start(rng.stream(key, "defense"), messages, total)
      )
    return {
      "variables": variables,
      "optimizer": plan.rules.init(variables),
      "defense": defense_state,
    }

  return plan.layout.seeds(jax.jit(jax.vmap(states))(keys, variables))


def _message_shapes(plan, variables, inputs):
  """Shapes of the embeddings that passive parties send in a step."""
  batch = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct((plan.batch_size, *a.shape[1:]), a.dtype),
    tuple(inputs),
  )
  return tuple(
    jax.eval_shape(plan.net.bottom, v, x)[0]
    for v, x in zip(variables["bottoms"], batch, strict=True)
  )[: plan.passive]


def _alike(plan, variables, inputs):
  """The groups of parties whose bottom models run together."""
  if plan.swap is not None:  # a swap concerns single parties
    return grouping.none(plan.net.parties)
  # on a CPU a vmapped convolution becomes a slow grouped one, and stacking
  # does not pay for messages that a defence unstacks: an epoch of `ppdl` takes
  # a tenth longer, one of `gaussian` a quarter to a half
  slow = plan.net.model.convolutional or plan.defense.gradient is not None
  if slow and jax.default_backend() == "cpu":
    return grouping.none(plan.net.parties)
  return grouping.find(inputs, variables["bottoms"], plan.rules.bottoms)


def _compiled(plan, record):
  """An epoch of all seeds; with `record` its messages are a third result."""

  def one(*args):
    return _run_epoch(plan, record, *args)

  in_axes = (0, None, 0, 0, None) + (0,) * (plan.swap is not None and record)
  return jax.jit(
    axes.over(one, plan.how, in_axes, plan.seeds), donate_argnums=0
  )


def _run_epoch(
  plan, record, state, inputs, targets, key, epoch, swap_inputs=None
):
  """An epoch of one seed."""
  inputs, total = tuple(inputs), targets.shape[0]
  together = _alike(plan, state["variables"], inputs)
  state = _bottoms(together.stack, state)
  order = rng.permutation(rng.stream(key, "shuffle", epoch), total)
  order = order[: plan.steps * plan.batch_size]
  order = order.reshape(plan.steps, plan.batch_size)
  numbers = epoch * plan.steps + jnp.arange(plan.steps)

  def body(state, batch):
    return _step(
      plan, record, together, state, inputs, targets, key, batch, swap_inputs
    )

  kept = ()
  if record:
    state, metrics, *kept = recording.scan(
      plan.recorder, body, state, (numbers, order), total
    )
  else:
    state, metrics = jax.lax.scan(
      lambda s, batch: body(s, batch)[:2], state, (numbers, order)
    )
  metrics = jax.tree.map(jnp.mean, metrics)
  return _bottoms(together.unstack, state), metrics, *kept


def _step(
  plan, record, together, state, inputs, targets, key, batch, swap_inputs
):
  """A step on `batch`, which is `(number of the step, rows)`."""
  (number, rows), swap = batch, plan.swap
  transmit = None
  if swap is not None and record:
    transmit = _swapping(
      plan.net, swap, state["variables"], inputs, rows, swap_inputs
    )
  moment = base.Moment(
    rng.stream(key, "moment", number),
    jnp.minimum(number / (plan.epochs * plan.steps), 1.0),
    rows,
  )
  after, metrics, sent = protocol.step(
    plan.net,
    plan.rules,
    plan.defense,
    state,
    plan.layout.rows(trees.take(inputs, rows)),
    plan.layout.rows(targets[rows]),
    moment=moment,
    passive=plan.passive,
    transmit=transmit,
    together=together,
  )
  if swap is not None and transmit is not None:
    after = _held(swap.parties, state, after)
  return after, metrics, sent


def _predict(plan, variables, inputs):
  net = plan.net

  def logits(variables, inputs):
    def block(x):
      h = tuple(
        net.bottom(v, x_k)[0]
        for v, x_k in zip(variables["bottoms"], x, strict=True)
      )
      return net.top(variables["top"], h)

    return axes.chunked(block, tuple(inputs), EVALUATION_ROWS)

  return axes.over(logits, plan.how, (0, None), plan.seeds)(variables, inputs)


def _bottoms(arrange, state):
  """The state with everything about the bottoms rearranged by `arrange`."""
  return {
    name: {**entry, "bottoms": arrange(entry["bottoms"])}
    if name in ("variables", "optimizer")
    else entry
    for name, entry in state.items()
  }


def _swapping(net, swap, variables, inputs, rows, swap_inputs):
  """A function from the embeddings of a batch to what is sent instead."""
  known_rows, turn = swap_inputs

  def transmit(embeddings):
    sent = list(embeddings)
    for k in swap.parties:
      theirs, _ = net.bottom(
        variables["bottoms"][k], trees.take(inputs[k], known_rows)
      )
      sent[k] = swap.send(embeddings[k], theirs, rows, turn)
    return tuple(sent)

  return transmit


def _held(parties, before, after):
  """The state after a step with these parties' bottoms as before it."""
  bottoms = tuple(
    (before if k in parties else after)["variables"]["bottoms"][k]
    for k in range(len(after["variables"]["bottoms"]))
  )
  return {**after, "variables": {**after["variables"], "bottoms": bottoms}}
