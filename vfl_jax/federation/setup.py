"""From a config to what is trained, and what of it each party saw."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.config import entries
from vfl_jax import data
from vfl_jax.data import base
from vfl_jax.data import tasks
from vfl_jax import defenses
from vfl_jax.defenses import base as defense_base
from vfl_jax.defenses import chain
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments.validation import reading
from vfl_jax.federation import optimizers
from vfl_jax.federation import recording
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax import models
from vfl_jax.runtime import mesh
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees


class Setup(NamedTuple):
  """Everything that follows from the config and the data.

  Attributes:
    dataset: partitioned.
    net: the split model.
    defense: all of the config's, chained.
    codes: what it prepared, a seed axis first.
    learner: compiled functions of the training.
    make: `make(rules, recorder, swap) -> learner`, another one.
    rules: each party's optimiser.
    targets: what is trained on, `[seeds, n, ...]`.
    keys: one root key per seed.
    inputs: training features per party.
    recorder: of messages.
    passive: number of passive parties, the first ones.
    task: what the labels are made by.
    natural: the classes behind the labels, see `tasks.Natural`.
    layout: where arrays live while training.
  """

  dataset: base.Dataset
  net: split.Net
  defense: defense_base.Defense
  codes: Any
  learner: train.Learner
  make: Callable[..., train.Learner]
  rules: optimizers.Optimizers
  targets: jax.Array
  keys: jax.Array
  inputs: tuple
  recorder: recording.Recorder
  passive: int
  task: tasks.Task
  natural: tasks.Natural
  layout: mesh.Layout


def prepare(config: Any) -> Setup:
  """Data, split model and compiled functions of a validated config.

  Raises:
    Refused: the data cannot be read, split or partitioned as asked.
  """
  try:
    return _setup(config)
  except (ValueError, FileNotFoundError) as error:
    raise lifecycle.Refused(str(error)) from error


def initial(config: Any, setup: Setup) -> tuple[Any, Any]:
  """State before training, and room for what of it will be kept."""
  state = setup.learner.init(setup.keys, setup.inputs, setup.codes)
  shapes = ()
  if config.record.epochs:
    args = (state, setup.inputs, setup.targets, setup.keys, 0)
    shapes = jax.eval_shape(setup.learner.recording_epoch, *args)[2]
  kept = recording.keep(
    state["variables"],
    shapes,
    messages=config.record.epochs,
    snapshots=config.information.epochs,
  )
  return state, kept


def steps_per_epoch(config: Any, n: int) -> int:
  """Steps of an epoch over n rows; the remainder is dropped."""
  steps = n // config.train.batch_size
  limit = config.train.steps_per_epoch
  return min(steps, limit) if limit else steps


def _setup(config) -> Setup:
  layout = mesh.layout(config.mesh, config.seeds, config.train.batch_size)
  root = rng.root(config.seed)
  words = np.asarray(jax.random.key_data(rng.stream(root, "data")))
  dataset = data.load(config.data, words)
  task = tasks.build(config.task, dataset.num_classes)
  dataset, natural = tasks.reassign(
    dataset, task, rng.generator(rng.stream(root, "task"))
  )
  if config.train.batch_size > len(dataset.train.labels):
    raise ValueError(
      f"train.batch_size is {config.train.batch_size}, larger than the "
      f"{len(dataset.train.labels)} training rows; take fewer."
    )
  defense = chain.chain(
    [defenses.build(n, **o) for n, o in entries.pieces(config.defenses)]
  )
  assert defense.configure is not None
  options = defense.configure(dict(config.model))
  name, cut = options.pop("name"), options.pop("cut")
  model = models.build(
    name, dataset.num_classes, vocabulary=dataset.vocabulary, **options
  )
  parties = config.data.parties
  passive = parties - config.data.active_features
  net = split.at(model, cut, parties, defense, passive)
  count = np.bincount(dataset.train.labels, minlength=dataset.num_classes)
  fewest = int(count.min())
  if fewest <= config.evaluate.aux_per_class:
    raise ValueError(
      f"evaluate.aux_per_class is {config.evaluate.aux_per_class}, but the "
      f"rarest class has {fewest} training rows; take at most {fewest - 1}."
    )
  keys = jnp.stack([rng.root(config.seed + s) for s in range(config.seeds)])
  targets, codes = _prepared(defense, dataset, passive, keys)
  n = len(dataset.train.labels)
  steps = steps_per_epoch(config, n)
  recorded = rng.generator(rng.stream(root, "record")).permutation(n)
  recorded = np.sort(recorded[: config.record.samples or n])
  rarest = int(
    np.bincount(
      dataset.train.labels[recorded], minlength=dataset.num_classes
    ).min()
  )
  if (
    reading.reads_gradients(config) and rarest <= config.evaluate.aux_per_class
  ):
    raise ValueError(
      f"record.samples is {config.record.samples}: the rarest class has "
      f"{rarest} recorded rows, and {config.evaluate.aux_per_class} of them "
      "(evaluate.aux_per_class) go to the attacker; record more, or 0 for all."
    )

  averaged = config.record.messages == "averaged"
  recorder = recording.Recorder(recorded, passive, averaged)

  def make(rules, recorder=recorder, swap=None):
    return train.make(
      net,
      rules,
      batch_size=config.train.batch_size,
      steps=steps,
      epochs=config.train.epochs,
      defense=defense,
      passive=passive,
      recorder=recorder,
      swap=swap,
      layout=layout,
    )

  every = optimizers.rules(config.train, parties, steps)
  learner = make(every)
  inputs = jax.tree.map(jnp.asarray, tuple(dataset.train.inputs))
  return Setup(
    dataset,
    net,
    defense,
    codes,
    learner,
    make,
    every,
    targets,
    keys,
    inputs,
    recorder,
    passive,
    task,
    natural,
    layout,
  )


def _prepared(defense, dataset, passive, keys):
  """Training targets and the codes of a defence, both with a seed axis."""
  labels = np.asarray(dataset.train.labels)
  if defense.prepare is None:
    return jnp.tile(jnp.asarray(labels), (len(keys), 1)), ()
  own = dataset.train.inputs[passive:]
  features = [
    np.asarray(trees.vectors(x, height))
    for x, height in zip(own, dataset.vocabulary[passive:], strict=True)
  ]
  secrets = defense_base.Secrets(
    labels, dataset.num_classes, np.concatenate(features, 1) if own else None
  )
  found = [defense.prepare(rng.stream(key, "targets"), secrets) for key in keys]
  every = jax.tree.map(lambda *a: np.stack(a), *found)
  return jnp.asarray(every.targets), every.codes
