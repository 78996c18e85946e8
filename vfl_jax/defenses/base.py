"""The ports at which a defence may act, and what it is given there.

This module imports no other module of this package.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

Array = jax.Array
PyTree = Any


class Moment(NamedTuple):
  """Where in the training a step is.

  Attributes:
    key: random key of this step.
    progress: share of all steps that are done, from 0 to below 1.
    rows: training rows of the batch, `[batch]`.
  """

  key: Array
  progress: Array
  rows: Array


class Secrets(NamedTuple):
  """What the active party has before training.

  Attributes:
    labels: labels of the training rows, `[n]`.
    num_classes: number of classes.
    features: the active party's features of the training rows as vectors,
      `[n, d]`, or None if it has none.
  """

  labels: np.ndarray
  num_classes: int
  features: np.ndarray | None = None


class Prepared(NamedTuple):
  """What a defence trains on instead of the labels.

  Attributes:
    targets: labels `[n]` or distributions `[n, classes]`.
    codes: arrays that are passed to `Defense.targets` and `Defense.decode`.
  """

  targets: np.ndarray
  codes: PyTree = ()


class Pairs(NamedTuple):
  """Samples of a batch that are mixed in pairs, announced to every party.

  Attributes:
    partner: position in the batch of each sample's partner, `[batch]`.
    share: weight of the sample itself, `[batch]`; the partner has the rest.
  """

  partner: Array
  share: Array


class Guard(NamedTuple):
  """What the active party puts between the received embeddings and its top.

  Attributes:
    init: `init(key, embeddings, num_classes) -> params` on the host, from the
      shapes of the passive parties' embeddings. The parameters train with the
      top.
    apply: `apply(params, embeddings, moment) -> (embeddings, cost)` for the
      passive parties; `moment` is None when the model is used, not trained.
    penalty: `penalty(params, embeddings, targets, moment) -> cost`, with
      targets `[n, classes]`. Both costs are added to the loss, in nats.
  """

  init: Callable[[Array, tuple, int], PyTree] | None = None
  apply: Callable[..., tuple[tuple, Array]] | None = None
  penalty: Callable[..., Array] | None = None


class Start(NamedTuple):
  """What a gradient defence is initialised from.

  Attributes:
    key: random key of this defence.
    messages: shapes of the gradients of one step, a tuple over parties.
    total: number of training rows.
  """

  key: Array
  messages: tuple[PyTree, ...]
  total: int


class Releases(NamedTuple):
  """The properties of a training on which the privacy of its messages depends.

  Attributes:
    epochs: number of epochs, which is how often a row's gradient is released.
    steps: number of training steps.
    batch_size: rows per step.
    rows: number of training rows.
    normalised: whether the top normalises by batch, which makes the rows of a
      batch depend on each other.
    mixed: whether another defence makes the rows of a batch depend on each
      other.
    before: names of earlier defences that prepare with the labels.
    after: names of later defences that read labels, or the top, at each step.
  """

  epochs: int
  steps: int
  batch_size: int
  rows: int
  normalised: bool
  mixed: bool
  before: tuple[str, ...] = ()
  after: tuple[str, ...] = ()


class Guarantee(NamedTuple):
  """A proved statement about label privacy.

  Attributes:
    scope: what is protected, and against which observation.
    epsilon: epsilon of differential privacy; NaN if no guarantee is proved or
      computed.
    delta: failure probability; 0 for pure differential privacy.
  """

  scope: str
  epsilon: float
  delta: float = 0.0


class Defense(NamedTuple):
  """A defence, as optional pure functions, one per port of the training step.

  Attributes:
    name: name under which it was requested.
    configure: `configure(model_keywords) -> model_keywords` before the model
      is built (moving the cut is a defence of this kind).
    prepare: `prepare(key, secrets) -> Prepared` on the host, before training.
    inputs: `inputs(moment, inputs, targets) -> (inputs, targets)` of a batch;
      the active party announces what each party does to its own features.
    pairs: `pairs(moment, size) -> Pairs`, the part of `inputs` that the active
      party announces.
    targets: `targets(codes, moment, targets) -> targets` of a batch.
    guard: the `Guard` between embeddings and top.
    release: `release(moment, targets) -> weights`, both `[n, classes]`: passive
      parties get the gradient of the loss under these weights of the classes,
      while the top learns from the targets.
    gradient: an `optax.GradientTransformationExtraArgs` over the tuple of
      messages going down to passive parties. It is initialised from a `Start`;
      extra arguments are `labels` (`[n, classes]`) and `rows` (of the batch).
    reads: whether the gradient port reads labels; after noise, reading them
      would invalidate what the noise proves.
    silent: `silent(progress) -> bool`, whether nothing goes down any more; the
      bottoms then stay unchanged.
    decode: `decode(codes, logits) -> scores` when the model is used.
    code: `code(codes) -> [classes, classes]`, the target that stands for each
      class; an attacker who knows the code has this array.
    check: `check(num_classes, kind)` raises ValueError where the defence does
      not apply; kind is what the model reads ("image", "rows", "fields",
      "tokens").
    guarantees: `guarantees(releases) -> sequence of Guarantee`.
    report: `report(state of the gradient port) -> {quantity: array}`.
    adaptive: attacks that know the defence, entries as in a config.
  """

  name: str = ""
  configure: Callable[[dict[str, Any]], dict[str, Any]] | None = None
  prepare: Callable[[Array, Secrets], Prepared] | None = None
  inputs: Callable[..., tuple[tuple, Array]] | None = None
  pairs: Callable[[Moment, int], Pairs] | None = None
  targets: Callable[..., Array] | None = None
  guard: Guard | None = None
  release: Callable[[Moment, Array], Array] | None = None
  gradient: Any = None
  reads: bool = False
  silent: Callable[[Array], Array] | None = None
  decode: Callable[[PyTree, Array], Array] | None = None
  code: Callable[[PyTree], Array] | None = None
  check: Callable[[int, str], None] | None = None
  guarantees: Callable[[Releases], Sequence[Guarantee]] | None = None
  report: Callable[[PyTree], Mapping[str, Array]] | None = None
  adaptive: tuple[Any, ...] = ()
