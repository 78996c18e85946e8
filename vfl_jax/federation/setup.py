"""Builds from a config what a training needs: data, split model, functions."""

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
from vfl_jax.defenses import chain
from vfl_jax.defenses import base as defense_base
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
    dataset: the data set, partitioned over the parties.
    net: the split model.
    defense: all defences of the config, chained into one.
    codes: codes that the defence prepared, a seed axis first.
    learner: compiled functions of the training.
    make: `make(rules, recorder, swap) -> learner` for another learner.
    rules: the optimiser of each party.
    targets: labels or soft targets to train on, `[seeds, n, ...]`.
    keys: one root key per seed.
    inputs: features of the training rows, one tree per party.
    recorder: which messages are recorded.
    passive: number of passive parties, which come first.
    task: the task that makes the labels.
    natural: the classes that the labels were made from, see `tasks.Natural`.
    layout: on which devices arrays live while training.
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
  """Builds data, split model and compiled functions of a validated config.

  Raises:
    ValueError: the data cannot be split or partitioned as the config asks, or
      have too few rows for the batch or for the auxiliary samples.
    FileNotFoundError: the data are not there.
  """
  root = rng.root(config.seed)
  dataset, task, natural = _data(config, root)
  parties, passive = config.data.parties, passive_parties(config)
  defense, net = _model(config, dataset)
  keys = jnp.stack([rng.root(config.seed + s) for s in range(config.seeds)])
  targets, codes = _prepared(defense, dataset, passive, keys)
  n = len(dataset.train.labels)
  steps = steps_per_epoch(config, n)
  recorder = _recorder(config, root, n)
  rules = optimizers.rules(config.train, parties, steps)
  layout = mesh.layout(config.mesh, config.seeds, config.train.batch_size)

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

  return Setup(
    dataset=dataset,
    net=net,
    defense=defense,
    codes=codes,
    learner=make(rules),
    make=make,
    rules=rules,
    targets=targets,
    keys=keys,
    inputs=jax.tree.map(jnp.asarray, tuple(dataset.train.inputs)),
    recorder=recorder,
    passive=passive,
    task=task,
    natural=natural,
    layout=layout,
  )


def initial(config: Any, setup: Setup) -> tuple[Any, Any]:
  """The state before training, and empty storage for what is recorded.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.
  """
  state = setup.learner.init(setup.keys, setup.inputs, setup.codes)
  shapes = None
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
  """Number of steps per epoch over n rows; the remainder is dropped."""
  steps = n // config.train.batch_size
  limit = config.train.steps_per_epoch
  return min(steps, limit) if limit else steps


def passive_parties(config: Any) -> int:
  """Number of parties without labels; they come first."""
  return config.data.parties - config.data.active_features


def _data(config, root):
  """`(dataset, task, natural)`: partitioned, its labels made by the task."""
  words = np.asarray(jax.random.key_data(rng.stream(root, "data")))
  dataset = data.load(config.data, words)
  task = tasks.build(config.task, dataset.num_classes)
  dataset, natural = tasks.reassign(
    dataset, task, rng.generator(rng.stream(root, "task"))
  )
  labels = dataset.train.labels
  if config.train.batch_size > len(labels):
    raise ValueError(
      f"train.batch_size is {config.train.batch_size}, larger than the "
      f"{len(labels)} training rows; take fewer."
    )
  fewest = int(np.bincount(labels, minlength=dataset.num_classes).min())
  if fewest <= config.evaluate.aux_per_class:
    raise ValueError(
      f"evaluate.aux_per_class is {config.evaluate.aux_per_class}, but the "
      f"rarest class has {fewest} training rows; take at most {fewest - 1}."
    )
  return dataset, task, natural


def _model(config, dataset):
  """The chained defence, and the split model as the defence configures it."""
  defense = chain.chain(
    tuple(defenses.build(n, **o) for n, o in entries.pieces(config.defenses))
  )
  assert defense.configure is not None
  options = defense.configure(dict(config.model))
  name, cut = options.pop("name"), options.pop("cut")
  model = models.build(
    name, dataset.num_classes, vocabulary=dataset.vocabulary, **options
  )
  passive = passive_parties(config)
  return defense, split.at(model, cut, config.data.parties, defense, passive)


def _recorder(config, root, n):
  """A recorder of the messages of `record.samples` rows drawn from n."""
  rows = rng.generator(rng.stream(root, "record")).permutation(n)
  rows = np.sort(rows[: config.record.samples or n])
  averaged = config.record.messages == "averaged"
  return recording.Recorder(rows, passive_parties(config), averaged)


def _prepared(defense, dataset, passive, keys):
  """Training targets and codes of a defence, both with a seed axis."""
  labels = np.asarray(dataset.train.labels)
  if defense.prepare is None:
    return jnp.tile(jnp.asarray(labels), (len(keys), 1)), ()
  active_inputs = dataset.train.inputs[passive:]
  features = [
    np.asarray(trees.vectors(x, height))
    for x, height in zip(
      active_inputs, dataset.vocabulary[passive:], strict=True
    )
  ]
  secrets = defense_base.Secrets(
    labels,
    dataset.num_classes,
    np.concatenate(features, 1) if active_inputs else None,
  )
  per_seed = [
    defense.prepare(rng.stream(key, "targets"), secrets) for key in keys
  ]
  prepared = jax.tree.map(lambda *a: np.stack(a), *per_seed)
  return jnp.asarray(prepared.targets), prepared.codes
