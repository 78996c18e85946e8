"""Training a split model: the only place where labels and embeddings meet.

One jit is one epoch of all seeds: the permutation is drawn inside, a scan runs
over its batches, the state is donated. `loop` has what happens in between.
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
from vfl_jax.runtime import mesh
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

PyTree = Any
EVALUATION_ROWS = 500


class Learner(NamedTuple):
  """Compiled functions of one experiment; every array has a seed axis first.

  Attributes:
    init: `init(keys, inputs, codes=()) -> state`; codes are what a defence has
      prepared.
    epoch: `epoch(state, inputs, targets, keys, epoch) -> (state, metrics)`.
    recording_epoch: the same with what `recording.scan` keeps as a third
      result. Where a party sends something else than its embeddings it has a
      sixth argument, see `Swap`.
    predict: `predict(variables, inputs) -> logits [seeds, n, classes]`.
  """

  init: Callable[..., PyTree]
  epoch: jax.stages.Wrapped
  recording_epoch: Callable[..., tuple[PyTree, PyTree, PyTree]]
  predict: Callable[..., jax.Array]


class Swap(NamedTuple):
  """What malicious parties send instead of their embeddings.

  They do not train meanwhile: what comes down is not about their own rows.

  Attributes:
    parties: the malicious ones.
    send: `send(h, known, rows, turn) -> h`, embeddings of a batch, of the
      known samples at present, the training rows of the batch, and the number
      of the epoch among those it is done in. The sixth argument of
      `recording_epoch` is `(known rows [seeds, m], turn [seeds])`.
  """

  parties: tuple[int, ...]
  send: Callable[..., PyTree]


class _Plan(NamedTuple):
  """What `make` was asked for, and how it is mapped over seeds."""

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
    if self.layout.mesh is not None:
      return "vmap"  # in sequence, seeds on other devices would wait
    return axes.method(self.net.model.convolutional)

  @property
  def seeds(self) -> str | None:
    return None if self.layout.mesh is None else mesh.SEED


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
  """The compiled functions of an experiment.

  Args:
    net: the split model.
    rules: each party's own optimiser.
    batch_size: rows per step.
    steps: steps per epoch; the remainder of a permutation is dropped.
    epochs: of the training, for defences that change along it.
    defense: what the active party does about its labels.
    passive: parties it is against, the first ones; None for all.
    recorder: what `recording_epoch` keeps.
    swap: what malicious parties do in it.
    layout: where arrays live.
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
  """Shapes of what passive parties send in a step."""
  batch = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct((plan.batch_size, *a.shape[1:]), a.dtype),
    tuple(inputs),
  )
  return tuple(
    jax.eval_shape(plan.net.bottom, v, x)[0]
    for v, x in zip(variables["bottoms"], batch, strict=True)
  )[: plan.passive]


def _alike(plan, variables, inputs):
  """Parties whose bottoms run as one."""
  if plan.swap is not None:  # it is of single parties
    return grouping.none(plan.net.parties)
  # on a CPU vmapped convolutions are grouped ones, and messages that a defence
  # takes apart are not worth stacking: an epoch of `ppdl` takes a tenth longer,
  # of `gaussian` a quarter to a half
  slow = plan.net.model.convolutional or plan.defense.gradient is not None
  if slow and jax.default_backend() == "cpu":
    return grouping.none(plan.net.parties)
  return grouping.find(inputs, variables["bottoms"], plan.rules.bottoms)


def _compiled(plan, record):
  """An epoch of all seeds; with `record`, its messages are a third result."""

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
  """A step on a batch, `(number of the step, rows)`."""
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
  """The state, what it holds of the bottoms arranged anew."""
  return {
    name: {**entry, "bottoms": arrange(entry["bottoms"])}
    if name in ("variables", "optimizer")
    else entry
    for name, entry in state.items()
  }


def _swapping(net, swap, variables, inputs, rows, swap_inputs):
  """What turns the embeddings of a batch into what is sent."""
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
  """The state with the bottoms of these parties as they were."""
  bottoms = tuple(
    (before if k in parties else after)["variables"]["bottoms"][k]
    for k in range(len(after["variables"]["bottoms"]))
  )
  return {**after, "variables": {**after["variables"], "bottoms": bottoms}}
