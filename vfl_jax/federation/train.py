"""Training a split model: the only place where labels and embeddings meet.

One jit is one epoch of all seeds: the permutation is drawn inside, a scan runs
over its batches, the state is donated. Logging, checkpoints and the check for
non-finite losses happen between epochs.
"""

from collections.abc import Callable, Iterator, Sequence
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
from vfl_jax.runtime import axes as runtime_axes
from vfl_jax.runtime import mesh
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

PyTree = Any
EVALUATION_ROWS = 500
# to compile a second program takes longer than to record as many epochs more
RECORDED_MORE = 30


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
  how = runtime_axes.method(net.model.convolutional)
  spread = layout.mesh is not None
  if spread:
    how = "vmap"  # in sequence, seeds on other devices would wait
  seeds = mesh.SEED if spread else None

  def init(keys, inputs, codes=()):
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
      own = ()
      if defense.gradient is not None and net.cut:
        own = defense.gradient.init(
          base.Start(rng.stream(key, "defense"), sent(variables), total)
        )
      return {
        "variables": variables,
        "optimizer": rules.init(variables),
        "defense": own,
      }

    def sent(variables):
      """Shapes of the messages of a step."""
      batch = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((batch_size, *a.shape[1:]), a.dtype),
        tuple(inputs),
      )
      return tuple(
        jax.eval_shape(net.bottom, v, x)[0]
        for v, x in zip(variables["bottoms"], batch, strict=True)
      )[:passive]

    return layout.seeds(jax.jit(jax.vmap(states))(keys, variables))

  def alike_in(variables, inputs):
    # vmapped convolutions are grouped ones, a swap is of single parties, and
    # messages that a defence takes apart are not worth stacking: an epoch of
    # `ppdl` takes a tenth longer, of `gaussian` a quarter to a half
    separate = net.model.convolutional or swap is not None
    if separate or defense.gradient is not None:
      return grouping.none(net.parties)
    return grouping.find(inputs, variables["bottoms"], rules.bottoms)

  def run_epoch(record, state, inputs, targets, key, epoch, known=None):
    inputs, total = tuple(inputs), targets.shape[0]
    together = alike_in(state["variables"], inputs)
    state = _bottoms(together.stack, state)
    order = rng.permutation(rng.stream(key, "shuffle", epoch), total)
    order = order[: steps * batch_size].reshape(steps, batch_size)
    numbers = epoch * steps + jnp.arange(steps)

    def body(state, batch):
      number, rows = batch
      transmit = None
      if swap is not None and record:
        transmit = _swapping(net, swap, state["variables"], inputs, rows, known)
      moment = base.Moment(
        rng.stream(key, "moment", number),
        jnp.minimum(number / (epochs * steps), 1.0),
        rows,
      )
      after, metrics, sent = protocol.step(
        net,
        rules,
        defense,
        state,
        layout.rows(trees.take(inputs, rows)),
        layout.rows(targets[rows]),
        moment=moment,
        passive=passive,
        transmit=transmit,
        together=together,
      )
      if swap is not None and transmit is not None:
        after = _held(swap.parties, state, after)
      return after, metrics, sent

    if record:
      state, metrics, kept = recording.scan(
        recorder, body, state, (numbers, order), total
      )
      metrics = jax.tree.map(jnp.mean, metrics)
      return _bottoms(together.unstack, state), metrics, kept
    state, metrics = jax.lax.scan(
      lambda s, batch: body(s, batch)[:2], state, (numbers, order)
    )
    metrics = jax.tree.map(jnp.mean, metrics)
    return _bottoms(together.unstack, state), metrics

  def compiled(record):
    def one(*args):
      return run_epoch(record, *args)

    axes = (0, None, 0, 0, None) + (0,) * (swap is not None and record)
    return jax.jit(runtime_axes.over(one, how, axes, seeds), donate_argnums=0)

  def predict(variables, inputs):
    def logits(variables, inputs):
      def block(x):
        h = tuple(
          net.bottom(v, x_k)[0]
          for v, x_k in zip(variables["bottoms"], x, strict=True)
        )
        return net.top(variables["top"], h)

      return runtime_axes.chunked(block, tuple(inputs), EVALUATION_ROWS)

    return runtime_axes.over(logits, how, (0, None), seeds)(variables, inputs)

  return Learner(init, compiled(False), compiled(True), jax.jit(predict))


def _bottoms(arrange, state):
  """The state, what it holds of the bottoms arranged anew."""
  return {
    name: {**part, "bottoms": arrange(part["bottoms"])}
    if name in ("variables", "optimizer")
    else part
    for name, part in state.items()
  }


def _swapping(net, swap, variables, inputs, rows, known):
  """What turns the embeddings of a batch into what is sent."""
  known_rows, turn = known

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


def records(kept: PyTree, epochs: int) -> bool:
  """Whether every epoch runs in the program that records; see `fit`."""
  recorded = len(kept["messages"])
  return recorded > 0 and epochs - recorded <= RECORDED_MORE


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
) -> Iterator[tuple[int, PyTree, PyTree, dict[str, jax.Array]]]:
  """Train epoch by epoch, yielding `(epoch, state, kept, metrics)`.

  Where few epochs are not to be kept they run in the program that records.

  Args:
    learner: from `make`.
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
    arguments, sent = (state, inputs, targets, keys, epoch), ()
    if name in messages or one_program:
      state, metrics, sent = learner.recording_epoch(*arguments)
    else:
      state, metrics = learner.epoch(*arguments)
    if name in messages:
      bottoms = _copied(state["variables"]["bottoms"][: len(sent)])
      entry = {"sent": sent, "bottoms": bottoms}
      messages = {**messages, name: entry}
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
