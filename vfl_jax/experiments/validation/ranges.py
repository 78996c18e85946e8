"""Checks of the ranges of a config's values."""

import ml_collections

from vfl_jax.config import registry
from vfl_jax.evaluation import compensation
from vfl_jax.evaluation import metrics
from vfl_jax.experiments.validation import keys as validation_keys
from vfl_jax.federation import optimizers
from vfl_jax.information import fitting

# smallest value of each key
_LOWEST = {
  "seed": 0,
  "seeds": 1,
  "data.parties": 1,
  "data.length": 1,
  "data.train_size": 0,
  "data.test_size": 0,
  "data.validation_size": 0,
  "data.vocabulary": 300,
  "data.hash_size": 2,
  "data.max_categories": 2,
  "train.epochs": 1,
  "train.batch_size": 2,
  "train.steps_per_epoch": 0,
  "information.samples": 40,
  "information.steps": 1,
  "information.batch": 2,
  "information.width": 1,
  "information.folds": 1,
  "information.noise": 0,
  "evaluate.attack_steps": 1,
  "evaluate.ceiling_steps": 1,
  "evaluate.aux_draws": 1,
  "mesh.data": 1,
  "mesh.seed": 1,
  "mesh.hosts": 1,
  "record.samples": 0,
}


def at_least(prefix, section, lowest):
  """Check that values reach their lower bounds.

  Args:
    prefix: path of the section, for messages.
    section: a config, or one of its sections.
    lowest: smallest value allowed, by dotted key.

  Raises:
    ValueError: a value is below its bound.
  """
  for path, low in lowest.items():
    value = section
    for key in path.split("."):
      value = value[key]
    if value < low:
      raise ValueError(f"{prefix}{path} is {value}; it must be at least {low}.")


def folds(section, folds):
  """Check a number of folds, the key `folds` of a section."""
  if folds > fitting.BLOCKS:
    raise ValueError(f"{section}.folds is {folds}; take 1 to {fitting.BLOCKS}.")


def ranges(config):
  """Check the ranges of an experiment's values.

  Raises:
    ValueError: a value is out of range.
  """
  at_least("", config, _LOWEST)
  _data(config.data)
  optimizer(config.train, "train.")
  _choices(config)
  _seeds(config)
  _epochs(config)
  folds("information", config.information.folds)
  for name in config.compensation:
    if name not in compensation.COMPENSATION:
      raise ValueError(
        registry.unknown("compensation", name, compensation.COMPENSATION)
      )


def _data(section):
  """Check the shares of held-out rows and the files."""
  for path, low, high in (
    ("validation", 0, 0.5),
    ("test", 0, 0.9),
  ):
    if not low < section[path] <= high:
      raise ValueError(
        f"data.{path} is {section[path]}; take a share in ({low}, {high}]."
      )
  paths = section.path
  paths = (paths,) if isinstance(paths, str) else paths
  if not paths or not all(isinstance(path, str) for path in paths):
    raise ValueError(
      f"data.path is {section.path!r}; give a file, or a tuple of files."
    )


def _choices(config):
  """Check the keys that take one of a few words, or several."""
  asked = config.evaluate.exposure
  if not asked or any(rows not in ("test", "validation") for rows in asked):
    raise ValueError(
      f"evaluate.exposure is {asked!r}; take a tuple of 'test', 'validation'."
    )
  choices = (
    ("evaluate.metric", config.evaluate.metric, ("", *metrics.METRICS)),
    ("data.encoding", config.data.encoding, ("onehot", "hash", "fields")),
    (
      "record.messages",
      config.record.messages,
      ("per_sample", "averaged"),
    ),
    ("precision", config.precision, ("float32", "tensorfloat32", "bfloat16")),
  )
  for path, value, allowed in choices:
    if value not in allowed:
      raise ValueError(registry.unknown(path, value, allowed))


def _seeds(config):
  """Check the seeds, and that they may run side by side."""
  if config.seed + config.seeds > 2**31:
    raise ValueError(f"seed is {config.seed}; take 0 to 2,147,483,647 - seeds.")
  if config.data.resplit and (config.mesh.seed, config.mesh.hosts) != (1, 1):
    raise ValueError(
      "data.resplit trains the seeds one by one, each on rows of its own; take "
      f"mesh.seed=1 and mesh.hosts=1 (now {config.mesh.seed} and "
      f"{config.mesh.hosts}), or data.resplit=False."
    )


def _epochs(config):
  """Check the epochs to record and to measure."""
  last = config.train.epochs
  for path, epochs, high in (
    ("record.epochs", config.record.epochs, last - 1),
    ("information.epochs", config.information.epochs, last),
  ):
    for epoch in epochs:
      if not isinstance(epoch, int):
        raise ValueError(f"{path} has {epoch!r}; epochs are whole numbers.")
      if not 0 <= epoch <= high:
        raise ValueError(
          f"{path} has {epoch}; train.epochs={last} allows 0 to {high}."
        )


def coalitions(entries, passive):
  """Check `evaluate.coalitions`, passive parties that act as one adversary."""
  for members in entries:
    if (
      not isinstance(members, (tuple, list))
      or len(members) < 2
      or len(set(members)) < len(members)
      or not all(isinstance(k, int) and 0 <= k < passive for k in members)
    ):
      raise ValueError(
        f"evaluate.coalitions has {members!r}; each is at least two different "
        f"passive parties of 0 to {passive - 1}, e.g. (0, 1)."
      )


def overrides(section, reference, entries, parties):
  """Check `train.overrides`, the optimizer keys of single parties.

  Args:
    section: the section `train`, which the overrides change.
    reference: a section `train` with values of the right types.
    entries: pairs of a holder and its overrides.
    parties: number of parties.

  Raises:
    ValueError: a holder is unknown or named twice, a key is unknown, or a value
      has a wrong type or is out of range.
  """
  holders = [f"party {k}" for k in range(parties)] + ["top"]
  for holder, values in entries:
    if holder not in holders:
      raise ValueError(registry.unknown("train.overrides", holder, holders))
    if [h for h, _ in entries].count(holder) > 1:
      raise ValueError(f"train.overrides names {holder!r} twice; merge them.")
    for key in values:
      if key not in optimizers.KEYS:
        raise ValueError(
          registry.unknown("optimizer key", key, optimizers.KEYS)
        )
    settings = ml_collections.ConfigDict(
      {k: section[k] for k in optimizers.KEYS}
    )
    with settings.ignore_type():
      settings.update(values)
    prefix = f"train.overrides of {holder}: "
    validation_keys.keys(
      settings, {k: reference[k] for k in optimizers.KEYS}, prefix, ()
    )
    optimizer(settings, prefix)


def optimizer(section, prefix):
  """Check the ranges of the optimizer keys of a section."""
  if section.learning_rate <= 0:
    raise ValueError(
      f"{prefix}learning_rate is {section.learning_rate}; it must be > 0."
    )
  if not 0 <= section.momentum < 1:
    raise ValueError(
      f"{prefix}momentum is {section.momentum}; it must be in [0, 1)."
    )
  if section.weight_decay < 0:
    raise ValueError(
      f"{prefix}weight_decay is {section.weight_decay}; it must be >= 0."
    )
  for key, allowed in (
    ("optimizer", optimizers.OPTIMIZERS),
    ("schedule", optimizers.SCHEDULES),
  ):
    if section[key] not in allowed:
      raise ValueError(registry.unknown(prefix + key, section[key], allowed))
  shares = section.boundaries
  if not all(isinstance(b, float) and 0 < b < 1 for b in shares):
    raise ValueError(
      f"{prefix}boundaries is {tuple(shares)}; take shares of the training, "
      "each between 0 and 1."
    )
