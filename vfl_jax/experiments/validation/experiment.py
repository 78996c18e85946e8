"""Checks of an experiment, by its keys and by all of its builders."""

from typing import Any

import ml_collections

from vfl_jax import attacks
from vfl_jax.attacks import selection
from vfl_jax.config import entries
from vfl_jax.config import registry
from vfl_jax.config import schema
from vfl_jax import data
from vfl_jax.data import tasks
from vfl_jax import defenses
from vfl_jax.defenses import chain
from vfl_jax.experiments import setting
from vfl_jax.experiments.validation import data as validation_data
from vfl_jax.experiments.validation import keys
from vfl_jax.experiments.validation import model
from vfl_jax.experiments.validation import ranges
from vfl_jax.federation import setup as federation_setup
from vfl_jax import information
from vfl_jax import models


def experiment(config: Any) -> Any:
  """Check a config of kind "experiment"; see `validate.validate`.

  Returns:
    The config with its cut resolved.

  Raises:
    ValueError: something in the config is impossible.
    FileNotFoundError: the data set is missing.
  """
  if not isinstance(config.get("model"), ml_collections.ConfigDict):
    raise ValueError(f"model is {config.get('model')!r}; make it a section.")
  if not isinstance(config.model.get("name"), str):
    raise ValueError(
      f"model.name is {config.model.get('name')!r}; give a name."
    )
  reference = schema.defaults()
  keys.keys(config, reference, "", models.options(config.model.name))
  parties = config.data.parties
  ranges.ranges(config)
  overrides = entries.pieces(config.train.overrides)
  ranges.overrides(config.train, reference.train, overrides, parties)
  registry.lookup(tasks.TASKS, "task", config.task.name)
  for _, name, overrides in entries.labelled(config.information.estimators):
    information.build(name, **overrides)
  header = data.describe(config.data)
  classes = tasks.build(config.task, header.num_classes).num_classes
  validation_data.data(config, header._replace(num_classes=classes))
  reads = validation_data.kind(config, header.modality)
  built = model.model(config, header, classes)
  name, cut = config.model.name, config.model.cut
  length = len(built.stages)
  if cut == -1:
    cut = built.reference_cut
  if not 0 <= cut <= length:
    raise ValueError(
      f"model.cut is {cut}; {name} has {length} stages, so take 0 to "
      f"{length}, or -1 for its reference cut {built.reference_cut}."
    )
  chained = chain.chain(
    [defenses.build(n, **o) for n, o in entries.pieces(config.defenses)]
  )
  if chained.check:
    chained.check(classes, reads)
  assert chained.configure is not None
  # only the cut is checked here; the config is applied when the model is built
  effective = chained.configure({**config.model, "cut": cut})["cut"]
  config.model.cut = cut
  passive = federation_setup.passive_parties(config)
  if passive < 1:
    raise ValueError(
      f"data.parties={parties} with data.active_features leaves no passive "
      "party; take at least 2."
    )
  ranges.coalitions(config.evaluate.coalitions, passive)
  offered = setting.of(config, chained, effective, length)
  listed = entries.labelled(config.attacks)
  lenient = "possible" in [name for _, name, _ in listed]
  for _, name, overrides in listed:
    if name in entries.SETS:
      continue
    attack = attacks.build(
      name, **{"budget": config.evaluate.attack_steps, **overrides}
    )
    reason = selection.missing(attack, offered)
    if reason and not lenient:
      raise ValueError(f"attack {name!r} cannot run here: {reason}.")
  return config
