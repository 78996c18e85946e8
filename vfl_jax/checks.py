"""What a config may say: keys, types, ranges, and what the data allow."""

from collections.abc import Mapping
from typing import Any

import ml_collections
import numpy as np

from vfl_jax import optimizers
from vfl_jax import registry
from vfl_jax.data import partition
from vfl_jax.information import fit
from vfl_jax.information import truths

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "cosine", "steps")
COMPENSATION = ("frozen_bottoms", "fresh_top", "central_twin")
# `vfl_jax.questions.READINGS` answers them
QUESTIONS = (
  "tradeoff",
  "reassignment",
  "cuts",
  "information",
  "compensation",
)
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auc")


def keys(config, reference, prefix, options):
  for key, value in config.items():
    if prefix == "task." and key != "name":
      continue  # the task's own keywords, checked by its builder
    if key not in reference:
      if prefix == "model." and key in options:
        continue
      known = set(reference) | (set(options) if prefix == "model." else set())
      raise ValueError(
        registry.unknown(
          "config key", prefix + key, {prefix + k for k in known}
        )
      )
    expected = reference[key]
    if isinstance(expected, ml_collections.ConfigDict):
      if not isinstance(value, ml_collections.ConfigDict):
        raise ValueError(f"{prefix}{key} is {value!r}; it is a section.")
      keys(value, expected, f"{prefix}{key}.", options)
      continue
    allowed: tuple[type, ...] = (type(expected),)
    if isinstance(expected, float):
      allowed = (float, int)
    if f"{prefix}{key}" in ("data.path", "data.partition"):
      allowed = (str, tuple, list)
    if isinstance(expected, tuple):
      allowed = (tuple, list)
    wrong = not isinstance(value, allowed) or (
      isinstance(value, bool) and not isinstance(expected, bool)
    )
    if wrong:
      names = " or ".join(t.__name__ for t in allowed)
      raise ValueError(
        f"{prefix}{key} is {value!r}, a {type(value).__name__}; it must be "
        f"of type {names}."
      )
  for key in reference:
    if key not in config and not prefix.startswith("model."):
      raise ValueError(
        f"config key {prefix + key!r} is missing; start from "
        "vfl_jax.config.defaults()."
      )


def at_least(prefix, section, lowest):
  """Refuse what lies below its bound; keys may be dotted."""
  for path, low in lowest.items():
    value = section
    for key in path.split("."):
      value = value[key]
    if value < low:
      raise ValueError(f"{prefix}{path} is {value}; it must be at least {low}.")


def _folds(section, folds):
  if folds > fit.BLOCKS:
    raise ValueError(f"{section}.folds is {folds}; take 1 to {fit.BLOCKS}.")


def ranges(config):
  lowest = {
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
  at_least("", config, lowest)
  for path, low, high in (
    ("validation", 0, 0.5),
    ("test", 0, 0.9),
  ):
    if not low < config.data[path] <= high:
      raise ValueError(
        f"data.{path} is {config.data[path]}; a share in ({low}, {high}]."
      )
  optimizer(config.train, "train.")
  asked = config.evaluate.exposure
  if not asked or set(asked) - {"test", "validation"}:
    raise ValueError(
      f"evaluate.exposure is {asked!r}; a tuple of 'test', 'validation'."
    )
  choices = (
    ("evaluate.metric", config.evaluate.metric, METRICS),
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
  if config.seed + config.seeds > 2**31:
    raise ValueError(f"seed is {config.seed}; take 0 to 2,147,483,647 - seeds.")
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
  _folds("information", config.information.folds)
  for name in config.compensation:
    if name not in COMPENSATION:
      raise ValueError(registry.unknown("compensation", name, COMPENSATION))


def coalitions(entries, passive):
  """Passive parties that act as one adversary."""
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
  """What single parties may do differently in `train.overrides`."""
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
    own = ml_collections.ConfigDict({k: section[k] for k in optimizers.KEYS})
    with own.ignore_type():
      own.update(values)
    prefix = f"train.overrides of {holder}: "
    keys(own, {k: reference[k] for k in optimizers.KEYS}, prefix, ())
    optimizer(own, prefix)


def local_optimizer(config, passive):
  """What the passive parties update with: "sgd" if each of them does."""
  own = {
    entry["name"]: entry.get("optimizer", config.train.optimizer)
    for entry in map(dict, config.train.overrides)
  }
  used = {own.get(f"party {k}", config.train.optimizer) for k in range(passive)}
  return "sgd" if used == {"sgd"} else min(used - {"sgd"})


def optimizer(section, prefix):
  """Ranges of the keys that make an optimiser."""
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
  for key, allowed in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
    if section[key] not in allowed:
      raise ValueError(registry.unknown(prefix + key, section[key], allowed))
  shares = section.boundaries
  if not all(isinstance(b, float) and 0 < b < 1 for b in shares):
    raise ValueError(
      f"{prefix}boundaries is {tuple(shares)}; shares of the training, each "
      "between 0 and 1."
    )


def grid(config):
  """What a calibration may ask for."""
  at_least("", config, {"seed": 0, "seeds": 1})
  at_least("fit.", config.fit, {"steps": 1, "batch": 2, "folds": 1, "width": 1})
  _folds("fit", config.fit.folds)
  for name, values in config.grid.items():
    low = {"samples": 40, "dimensions": 2, "classes": 2}.get(name)
    for value in values:
      if name == "shapes":
        registry.lookup(truths.SHAPES, "shape", value)
      elif name == "levels" and not 0 <= value < 1:
        raise ValueError(f"grid.levels has {value!r}; shares in [0, 1).")
      elif low and (not isinstance(value, int) or value < low):
        raise ValueError(
          f"grid.{name} has {value!r}; whole numbers from {low}."
        )
    if not values:
      raise ValueError(f"grid.{name} is empty; give at least one value.")
  if not config.estimators:
    raise ValueError("estimators is empty; name at least one.")


def data(config, header):
  if config.evaluate.metric == "auc" and header.num_classes != 2:
    raise ValueError(
      f"evaluate.metric is 'auc', but {header.name} has "
      f"{header.num_classes} classes; AUC is for 2, take 'accuracy'."
    )
  if config.data.parties > header.columns:
    raise ValueError(
      f"data.parties is {config.data.parties}, but {header.name} has "
      f"{header.columns} columns to hand out; take 1 to {header.columns}."
    )
  rule = partition.parsed(config.data.partition)
  if isinstance(rule, str) or isinstance(rule[0], int):
    partition.blocks(
      range(header.columns),
      config.data.parties,
      rule,
      np.random.default_rng(0),
    )
  rows = int(header.rows * (1 - config.data.validation))
  if config.data.name in ("digits", "breast_cancer") and not config.data.path:
    rows = int(rows * (1 - config.data.test))
  if config.data.train_size:
    rows = min(rows, config.data.train_size)
  if config.train.batch_size > rows:
    raise ValueError(
      f"train.batch_size is {config.train.batch_size}, larger than the "
      f"{rows} training rows of {header.name}; take at most {rows}."
    )
  aux = config.evaluate.aux_per_class
  if aux < 1 or aux * header.num_classes >= rows:
    raise ValueError(
      f"evaluate.aux_per_class is {aux}: {aux * header.num_classes} auxiliary"
      f" samples for {header.num_classes} classes and {rows} training rows; "
      f"take 1 to {(rows - 1) // header.num_classes}."
    )


def kind(config: Mapping[str, Any], modality: str) -> str:
  """What the model gets to read: "image", "tokens", "fields" or "rows"."""
  if modality != "table":
    return {"image": "image", "text": "tokens"}[modality]
  return "fields" if config["data"]["encoding"] == "fields" else "rows"


def study(config, reference):
  """The form of a study; what its cells hold is checked cell by cell."""
  bases = config.bases
  if not isinstance(bases, ml_collections.ConfigDict) or not len(bases):
    raise ValueError("bases is empty; give at least one experiment by name.")
  bare = ml_collections.ConfigDict({**config.to_dict(), "bases": {}})
  keys(bare, reference, "", ())
  for name in bases:
    base: Any = bases[name]
    if base.get("kind") != "experiment":
      raise ValueError(
        f"bases.{name} is of kind {base.get('kind')!r}; take an experiment."
      )
  registry.lookup(dict.fromkeys(QUESTIONS), "question", config.question)
  if config.workers < 0:
    raise ValueError(
      f"workers is {config.workers}; take at least 1, or 0 for one per core."
    )
  if not config.cells:
    raise ValueError("cells is empty; a study has at least one experiment.")
  first = None
  for entry in config.cells:
    wrong = set(entry) - {"labels", "base", "set"}
    if wrong or not {"labels", "base"} <= set(entry):
      raise ValueError(
        f"cell {dict(entry)} must have the keys labels and base, and may have "
        "set."
      )
    if entry["base"] not in bases:
      raise ValueError(
        registry.unknown("base of a cell", entry["base"], set(bases))
      )
    first = first or sorted(entry["labels"])
    if sorted(entry["labels"]) != first:
      raise ValueError(
        f"cell {dict(entry)} is labelled unlike the first, by {first}; give "
        "all cells the same labels."
      )
