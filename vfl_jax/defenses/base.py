"""Where a defence may step in, and what it is given there.

Nothing here imports another module of this package.
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
    key: of this step, for whoever draws in it.
    progress: share of all steps that are done, 0 to below 1.
    rows: training rows of the batch.
  """

  key: Array
  progress: Array
  rows: Array


class Secrets(NamedTuple):
  """What the active party has before training.

  Attributes:
    labels: of the training rows, `[n]`.
    num_classes: number of classes.
    features: its own of the training rows as vectors, `[n, d]`, or None.
  """

  labels: np.ndarray
  num_classes: int
  features: np.ndarray | None = None


class Prepared(NamedTuple):
  """What a defence trains on instead of the labels.

  Attributes:
    targets: labels `[n]` or distributions `[n, classes]`.
    codes: arrays that `Defense.targets` and `Defense.decode` are given.
  """

  targets: np.ndarray
  codes: PyTree = ()


class Pairs(NamedTuple):
  """Samples of a batch that are mixed two by two, as every party knows.

  Attributes:
    partner: for each, the place of the other one in the batch.
    share: weight of the sample itself; the partner has the rest.
  """

  partner: Array
  share: Array


class Guard(NamedTuple):
  """What the active party puts between the embeddings it gets and its top.

  Attributes:
    init: `init(key, embeddings, num_classes) -> params` on the host, from
      shapes of the embeddings of passive parties. They train with the top.
    apply: `apply(params, embeddings, moment) -> (embeddings, cost)` of the
      passive parties; `moment` is None when the model is used, not trained.
    penalty: `penalty(params, embeddings, targets, moment) -> cost`, added to
      the loss (nats) as that of `apply` is; targets `[n, classes]`.
  """

  init: Callable[[Array, tuple, int], PyTree] | None = None
  apply: Callable[..., tuple[tuple, Array]] | None = None
  penalty: Callable[..., Array] | None = None


class Start(NamedTuple):
  """What a gradient defence begins with.

  Attributes:
    key: its own.
    messages: shapes of the gradients of one step, a tuple over parties.
    total: number of training rows.
  """

  key: Array
  messages: tuple[PyTree, ...]
  total: int


class Releases(NamedTuple):
  """What goes down in a training, as far as privacy depends on it.

  Attributes:
    epochs: of the training: times that a row's gradient is released.
    steps: of the training.
    batch_size: rows per step.
    rows: training rows.
    normalised: whether the top normalises by batch, so that rows meet there.
    mixed: whether another defence lets rows of a batch meet.
    before: names of earlier defences that prepare with the labels.
    after: names of later ones that read labels, or the top, at each step.
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
  """A proved statement on label privacy.

  Attributes:
    scope: what is protected, and against what change.
    epsilon: of differential privacy; infinite for none.
    delta: its failure probability, 0 for pure.
  """

  scope: str
  epsilon: float
  delta: float = 0.0


class Defense(NamedTuple):
  """A defence, as optional pure functions, one per port of the training step.

  Attributes:
    name: as it was asked for.
    configure: `configure(model_keywords) -> model_keywords` before building
      (the cut is a defence of this kind).
    prepare: `prepare(key, secrets) -> Prepared` on the host, before training.
    inputs: `inputs(moment, inputs, targets) -> (inputs, targets)` of a batch;
      what each party does to its own is announced by the active one.
    pairs: `pairs(moment, size) -> Pairs`, what of `inputs` the active party
      announces.
    targets: `targets(codes, moment, targets) -> targets` of a batch.
    guard: between embeddings and top.
    release: `release(moment, targets) -> weights`, both `[n, classes]`: what
      goes down to passive parties is the gradient of the loss under these
      weights of the classes; the top learns from the targets.
    gradient: an `optax.GradientTransformationExtraArgs` over the tuple of
      messages going down to passive parties. It starts from a `Start`; extra
      arguments are `labels` (`[n, classes]`) and `rows` (of the batch).
    reads: whether the gradient port reads labels: after noise it would undo
      what the noise proves.
    silent: `silent(progress) -> bool`, whether nothing goes down any more; the
      bottoms then stay as they are.
    decode: `decode(codes, logits) -> scores` of the model in use.
    code: `code(codes) -> [classes, classes]`, the target that stands for each
      class: what an attacker knows who knows the code.
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
