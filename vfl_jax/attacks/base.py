"""Shared types: what is public, what an adversary saw, and what an attack is.

This module imports no other module of this package. The types enforce the
threat model: a `View` has no label field, so an attack cannot be given the
answer by accident.
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
    num_classes: number of classes.
    batch_size: rows per training batch.
    cut: number of stages below the cut.
    stages: names of all stages.
    bottom: `bottom(variables, x, train=False, start=0, stop=None) ->
      (h, stats)`, the stages `[start:stop]` of those below the cut.
    vocabulary: number of distinct ids in this party's inputs (0: no ids).
    label_prior: class shares `[num_classes]`, or None if they are not public.
  """

  num_classes: int
  batch_size: int
  cut: int
  stages: tuple[str, ...]
  bottom: Callable[..., tuple[PyTree, PyTree]]
  vocabulary: int = 0
  label_prior: Array | None = None


class Averages(NamedTuple):
  """What a party learns from steps whose cut gradients are hidden from it.

  Attributes:
    gradients: gradients of its own weights, averaged over the batch,
      `[steps, ...]`.
    bottoms: variables of its bottom model before each step.
    rows: training rows of each batch, `[steps, batch]`.
  """

  gradients: PyTree
  bottoms: PyTree
  rows: Array


class Recorded(NamedTuple):
  """What an adversary kept from one epoch; None for what it did not see.

  For a coalition, every field except `pairs` is a tuple over its members.

  Attributes:
    bottom: variables of its bottom model after the epoch.
    gradients: cut gradients, one row for each of `Shared.recorded_rows`; NaN
      for a row that was in no batch of the epoch.
    embeddings: embeddings it had sent when those gradients came down.
    pairs: where a defence mixes samples, a `defenses.base.Pairs`: the training
      row that each row was mixed with (-1 for one in no batch), and the row's
      own share.
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
    test: its features of the test rows, `[m, ...]`.
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
    aux_rows: training rows whose label it was given, grouped by class, `[m]`.
    aux_labels: those labels, `[m]`.
    recorded: what it kept from each recorded epoch, by epoch number.
    code: training target that stands for each class, `[classes, classes]`,
      for an attack that needs to know the "code" of a defence; else None.
  """

  bottom: PyTree
  aux_rows: Array
  aux_labels: Array
  recorded: Mapping[int, Recorded] = {}
  code: Array | None = None


class View(NamedTuple):
  """Everything one adversary saw, and nothing else. It has no labels.

  The adversary is a passive party or a coalition of them. For a coalition,
  features, variables and messages are tuples over its members.

  Attributes:
    public: what everyone knows.
    shared: what is the same in all trials.
    trial: what differs between trials; an attack that is mapped over trials
      gets the arrays of one trial.
  """

  public: Public
  shared: Shared
  trial: Trial


class Received(NamedTuple):
  """What the active party has from one passive party to invert its features.

  Attributes:
    embeddings: what that party sent for the rows to be reconstructed.
    known_embeddings: what it sent for rows whose features are known.
    known_features: those features as vectors, `[m, d]`.
  """

  embeddings: PyTree
  known_embeddings: PyTree
  known_features: Array


class Inference(NamedTuple):
  """What an attack answers: scores `[rows, classes]` (higher: more likely).

  Attributes:
    train: scores of training rows, or None; NaN for a row that the attack does
      not cover, which is then not scored.
    test: scores of all test rows, or None.
    rows: training rows that `train` describes; None for all of them.
    details: small arrays worth reporting (such as the chosen variant).
    choices: `(train, test)`, each `[k, rows, classes]`: the candidates of an
      oracle that sees the labels, where the config asks for one.
  """

  train: Array | None
  test: Array | None
  rows: Array | None = None
  details: Mapping[str, Array] = {}
  choices: tuple[Array, Array] | None = None


class Setting(NamedTuple):
  """What a configuration offers an attack.

  Attributes:
    cut: number of stages below the cut.
    stages: number of all stages.
    messages: how messages are recorded: "per_sample", "averaged", or "" for
      not at all.
    label_prior: whether the class shares are public.
    optimizer: name of the parties' optimiser.
    code: whether a defence trains on a code of the labels.
    epochs: epochs whose messages are recorded, counted from 0.
    pairs: whether a defence mixes samples in pairs and announces the pairs.
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
    needs: what it uses besides the party's features: any of "auxiliary"
      (samples with labels), "gradients", "averages" (of weight gradients),
      "bottom", "label_prior", "logits" (a cut after the last stage, where
      every party sends logits), "code" (the code of a defence), "pairs" (the
      samples that a defence mixes), and "first epoch" (messages of the first
      epoch).
    infer: `infer(key, view) -> Inference`, a pure function. If `compiled`, it
      can be traced and mapped over seeds; otherwise it gets numpy arrays of
      one seed.
    budget: one sentence on what it may spend, printed beside its numbers.
    names: names of the integers in `Inference.details`.
    compiled: see `infer`.
    ranks: whether its scores of two classes are an order without a threshold,
      to be judged by AUC alone.
    optimizer: for an active attack, the replacement for the momentum of the
      adversary's own SGD: `optimizer(momentum) ->
      optax.GradientTransformation`. The federation is trained again with it.
    send: for an active attack, what it sends instead of its embeddings in
      epochs after the training, see `train.Swap`.
    turns: `turns(classes)`, the number of those epochs.
    joins: whether it compares rows of gradients as vectors, so that features
      can be put beside them, see `joined`.
    alone: `infer` of its control: the same rule without what came from the
      federation; None for `infer` on an untrained bottom.
    features: whether `infer(key, received) -> Inference` reconstructs features
      from a `Received`; the adversary is then the active party.
    epochs: number of recorded epochs that it requires.
    abstains: whether it covers only rows that it is sure of; precision and
      recall over all recorded rows are then reported too.
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
