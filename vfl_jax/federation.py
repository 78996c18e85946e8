"""From a config to what is trained, and what of it each party saw."""

import collections
from collections.abc import Callable, Iterable, Sequence
import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import entries
from vfl_jax import attacks
from vfl_jax import data
from vfl_jax import defenses
from vfl_jax import devices
from vfl_jax import models
from vfl_jax import nets
from vfl_jax import rng
from vfl_jax import sealed
from vfl_jax import optimizers
from vfl_jax import ports
from vfl_jax import recording
from vfl_jax import split
from vfl_jax import tasks
from vfl_jax import train
from vfl_jax import types
from vfl_jax import workdir


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

  dataset: types.Dataset
  net: split.Net
  defense: ports.Defense
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
  layout: devices.Layout


@dataclasses.dataclass(frozen=True)
class Federation:
  """A trained federation as its evaluator sees it; seed axes first.

  Attributes:
    net: the split model.
    variables: final variables.
    dataset: partitioned; `under` a seal its labels cannot be read.
    kept: recorded messages and snapshots, see `recording.keep`.
    recorder: what of the messages was kept.
    keys: one root key per seed.
    passive: number of passive parties, the first ones.
    batch_size: of the training.
    code: what a defence has put for each class, `[seeds, classes, classes]`.
  """

  net: split.Net
  variables: Any
  dataset: types.Dataset
  kept: Any
  recorder: recording.Recorder
  keys: jax.Array
  passive: int
  batch_size: int
  code: Any = None

  def seal(self, attacks: Iterable[str]) -> sealed.Sealed:
    """The labels, closed to everyone until these attacks have returned."""
    labels = {
      "train": self.dataset.train.labels,
      "test": self.dataset.test.labels,
    }
    return sealed.Sealed(labels, set(attacks))

  def under(self, closed: sealed.Sealed) -> "Federation":
    """The same federation with its labels behind the seal."""
    data = self.dataset
    splits = {
      name: getattr(data, name)._replace(labels=sealed.Labels(closed, name))
      for name in ("train", "test")
    }
    hidden = data.validation._replace(labels=None)
    data = data._replace(validation=hidden, **splits)
    return dataclasses.replace(self, dataset=data)

  def views(self, members: Sequence[int], aux_rows, aux_labels) -> types.View:
    """What an adversary saw in every seed (fields of a seed stacked).

    Args:
      members: passive parties that act as one.
      aux_rows: training rows it knows the labels of, `[seeds, m]`.
      aux_labels: those labels.
    """
    joined = tuple if len(members) > 1 else lambda found: next(iter(found))
    of = lambda parts: joined(parts[k] for k in members)
    seen: dict[str, dict[int, Any]] = collections.defaultdict(dict)
    for name, entry in self.kept["messages"].items():
      epoch, sent = int(name), entry["sent"]
      seen["bottoms"][epoch] = split.together(
        [entry["bottoms"][k] for k in members]
      )
      if self.recorder.averaged:
        seen["averages"][epoch] = types.Averages(
          of([s["gradients"] for s in sent]),
          split.together([sent[k]["bottoms"] for k in members]),
          sent[members[0]]["rows"],
        )
      else:
        for field in sent[0]:  # gradients; embeddings and pairs if kept
          parts = [s[field] for s in sent]
          one = field == "pairs"  # the same for all parties
          seen[field][epoch] = parts[0] if one else of(parts)
    data, bottoms = self.dataset, self.variables["bottoms"]
    return types.View(
      train=of(data.train.inputs),
      test=of(data.test.inputs),
      train_ids=data.train.ids,
      test_ids=data.test.ids,
      bottom=split.together([bottoms[k] for k in members]),
      bottoms=seen["bottoms"],
      gradients=seen["gradients"],
      gradient_rows=self.recorder.rows,
      aux_rows=aux_rows,
      aux_labels=aux_labels,
      public=types.Public(
        num_classes=data.num_classes,
        batch_size=self.batch_size,
        cut=self.net.cut,
        stages=tuple(s.name for s in self.net.model.stages),
        bottom=split.joint(self.net.bottom, len(members)),
        vocabulary=max(data.vocabulary[k] for k in members),
      ),
      embeddings=seen["embeddings"],
      averages=seen["averages"],
      pairs=seen["pairs"],
      code=self.code,
    )


def prepare(config: Any) -> Setup:
  """Data, split model and compiled functions of a validated config.

  Raises:
    Refused: the data cannot be read, split or partitioned as asked.
  """
  try:
    return _setup(config)
  except (ValueError, FileNotFoundError) as error:
    raise workdir.Refused(str(error)) from error


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


def trained(config: Any, setup: Setup, variables: Any, kept: Any) -> Federation:
  """The federation with its final variables and what was kept."""
  code = setup.defense.code
  return Federation(
    setup.net,
    variables,
    setup.dataset,
    kept,
    setup.recorder,
    setup.keys,
    setup.passive,
    config.train.batch_size,
    None if code is None else jnp.asarray(code(setup.codes)),
  )


def steps_per_epoch(config: Any, n: int) -> int:
  """Steps of an epoch over n rows; the remainder is dropped."""
  steps = n // config.train.batch_size
  limit = config.train.steps_per_epoch
  return min(steps, limit) if limit else steps


def _setup(config) -> Setup:
  layout = devices.layout(config.mesh, config.seeds, config.train.batch_size)
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
  defense = defenses.chain(
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
  if _reads_gradients(config) and rarest <= config.evaluate.aux_per_class:
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
    np.asarray(nets.vectors(x, height))
    for x, height in zip(own, dataset.vocabulary[passive:], strict=True)
  ]
  secrets = ports.Secrets(
    labels, dataset.num_classes, np.concatenate(features, 1) if own else None
  )
  found = [defense.prepare(rng.stream(key, "targets"), secrets) for key in keys]
  every = jax.tree.map(lambda *a: np.stack(a), *found)
  return jnp.asarray(every.targets), every.codes


def _reads_gradients(config):
  """Whether an attack takes its known samples from the recorded rows."""
  if not config.record.epochs or config.record.messages == "averaged":
    return False
  return any(
    name in entries.SETS or "gradients" in attacks.build(name, **own).needs
    for _, name, own in entries.labelled(config.attacks)
  )
