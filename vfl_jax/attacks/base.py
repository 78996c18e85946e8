"""The words every room shares: data, messages, views, attacks.

Nothing here imports another module of this package. A type is where a rule of
the threat model is written down: a `View` has no label field, so an attack
cannot be handed the answer by accident.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

Array = jax.Array | np.ndarray
PyTree = Any


class Public(NamedTuple):
  """What everyone in the federation knows.

  Attributes:
    bottom: `bottom(variables, x, train=False, start=0, stop=None) ->
      (h, stats)`, the stages `[start:stop]` of those below the cut.
    vocabulary: number of distinct ids in this party's inputs (0: no ids).
    label_prior: class shares `[num_classes]`, or None where it is not public.
  """

  num_classes: int
  batch_size: int
  cut: int
  stages: tuple[str, ...]
  bottom: Callable[..., tuple[PyTree, PyTree]]
  vocabulary: int = 0
  label_prior: Array | None = None


class Averages(NamedTuple):
  """What a party learns of steps in which cut gradients are hidden from it.

  Attributes:
    gradients: of its own weights, averaged over the batch, `[steps, ...]`.
    bottoms: its variables before each step.
    rows: training rows of each batch, `[steps, batch]`.
  """

  gradients: PyTree
  bottoms: PyTree
  rows: Array


class Recorded(NamedTuple):
  """What an adversary kept of one epoch; None for what it did not see.

  Of a coalition these are tuples over its members, but for `pairs`.

  Attributes:
    bottom: variables of its bottom model after the epoch.
    gradients: cut gradients, a row for each of `Shared.recorded_rows`; NaN
      for a row that was in no batch of the epoch.
    embeddings: what it had sent up when those gradients came down.
    pairs: where a defence mixes samples, a `defenses.base.Pairs`: the training
      row that each row was mixed with (-1 for one in no batch), and its own
      share.
    averages: an `Averages` instead of gradients and embeddings where messages
      are averaged.
  """

  bottom: PyTree
  gradients: PyTree = None
  embeddings: PyTree = None
  pairs: Any = None
  averages: Averages | None = None


class Shared(NamedTuple):
  """What an adversary saw that is the same in all trials.

  Attributes:
    train: its features of the training rows, `[n, ...]`.
    test: its features of the test rows.
    train_ids: sample ids of the training rows.
    test_ids: sample ids of the test rows.
    recorded_rows: training rows whose messages are recorded, sorted.
  """

  train: PyTree
  test: PyTree
  train_ids: Array
  test_ids: Array
  recorded_rows: Array


class Trial(NamedTuple):
  """What an adversary saw in one trial: one seed, one draw of known labels.

  Attributes:
    bottom: variables of its bottom model after training.
    aux_rows: training rows whose label it was given, grouped by class.
    aux_labels: those labels.
    recorded: by recorded epoch, what it kept of it.
    code: what stands for each class in training, `[classes, classes]`, for an
      attack that needs to know the "code" of a defence; else None.
  """

  bottom: PyTree
  aux_rows: Array
  aux_labels: Array
  recorded: Mapping[int, Recorded] = {}
  code: Array | None = None


class View(NamedTuple):
  """Everything one adversary saw, and nothing else. It has no labels.

  The adversary is a passive party or a coalition of them; of a coalition
  features, variables and messages are tuples over its members.

  Attributes:
    public: what everyone knows.
    shared: what is the same in all trials.
    trial: what differs between them; an attack that is mapped over trials
      gets the arrays of one.
  """

  public: Public
  shared: Shared
  trial: Trial


class Received(NamedTuple):
  """What the active party has of one passive party's features.

  Attributes:
    embeddings: what that party sent of the rows to be reconstructed.
    known_embeddings: what it sent of rows whose features are known.
    known_features: those features as vectors `[m, d]`.
  """

  embeddings: PyTree
  known_embeddings: PyTree
  known_features: Array


class Inference(NamedTuple):
  """What an attack answers: scores `[rows, classes]` (higher: more likely).

  Attributes:
    train: of training rows, or None; NaN for a row it does not cover,
      which is then not scored.
    test: of all test rows, or None.
    rows: the training rows that `train` covers; None for all of them.
    details: small arrays worth reporting (the variant chosen, say).
    choices: `(train, test)`, each `[k, rows, classes]`: what an oracle that
      sees the labels may choose from, where the config asks for one.
  """

  train: Array | None
  test: Array | None
  rows: Array | None = None
  details: Mapping[str, Array] = {}
  choices: tuple[Array, Array] | None = None


class Setting(NamedTuple):
  """What a configuration offers an attack.

  Attributes:
    cut: stages below it.
    stages: number of all stages.
    messages: what is recorded of them: "per_sample", "averaged" or nothing.
    label_prior: whether the class shares are public.
    optimizer: name of the parties' optimiser.
    code: whether a defence trains on a code of the labels.
    epochs: those whose messages are recorded, counted from 0.
    pairs: whether a defence mixes samples two by two, and says which.
  """

  cut: int
  stages: int
  messages: str
  label_prior: bool
  optimizer: str = "sgd"
  code: bool = False
  epochs: tuple[int, ...] = ()
  pairs: bool = False


class Attack(NamedTuple):
  """An attack on labels, or by the active party on features.

  Attributes:
    needs: what it uses besides the party's features: any of "auxiliary",
      "gradients", "averages" (of weight gradients), "bottom", "label_prior",
      "logits" (a cut after the last stage, where every party sends up
      logits), "code" (that of a defence), "pairs" (that a defence mixes), and
      "first epoch" (its messages).
    epochs: number of recorded epochs it cannot do without.
    abstains: it covers only rows it is sure of: precision and recall are
      reported too, over all recorded rows.
    infer: `infer(key, view) -> Inference`, pure; with `compiled` it can be
      traced and mapped over seeds, else it gets numpy arrays of one seed.
    budget: one sentence on what it may spend, printed beside its numbers.
    names: what the integers in `Inference.details` stand for.
    compiled: see `infer`.
    ranks: its scores of two classes are an order without a threshold, to be
      judged by AUC alone.
    optimizer: of an active attack, what the adversary puts in place of the
      momentum of its own SGD: `optimizer(momentum) ->
      optax.GradientTransformation`. The federation is trained again with it.
    send: of an active attack, what it transmits instead of its embeddings,
      see `train.Swap`, in epochs after the training.
    turns: number of those epochs, given that of classes.
    joins: it compares rows of gradients as vectors, so that features can stand
      beside them, see `joined`.
    alone: `infer` of its control: the same rule without what came out of the
      federation; None for `infer` on an untrained bottom.
    features: `infer(key, received) -> Inference` reconstructs features from a
      `Received`: the adversary is the active party.
  """

  needs: frozenset[str]
  infer: Callable[[Array, View], Inference]
  budget: str
  names: Mapping[str, Sequence[str]] = {}
  compiled: bool = True
  ranks: bool = False
  optimizer: Callable[[float], Any] | None = None
  send: Callable[..., PyTree] | None = None
  turns: Callable[[int], int] = lambda classes: 1
  joins: bool = False
  alone: Callable[[Array, View], Inference] | None = None
  features: bool = False
  epochs: int = 1
  abstains: bool = False
