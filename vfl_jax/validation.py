"""Whether an experiment is possible: what only its pieces can say."""

from typing import Any

from vfl_jax import attacks
from vfl_jax import checks
from vfl_jax import data
from vfl_jax import defenses
from vfl_jax import entries
from vfl_jax import information
from vfl_jax import models
from vfl_jax import plan
from vfl_jax import registry
from vfl_jax import tasks
from vfl_jax import types
from vfl_jax.schemas import defaults


def experiment(config: Any) -> Any:
  """One of kind "experiment", its cut resolved; see `config.validate`."""
  if not isinstance(config.model.get("name"), str):
    raise ValueError(f"model.name is {config.model.get('name')!r}; a name.")
  known = defaults()
  checks.keys(config, known, "", models.options(config.model.name))
  parties = config.data.parties
  checks.ranges(config)
  overrides = entries.pieces(config.train.overrides)
  checks.overrides(config.train, known.train, overrides, parties)
  registry.lookup(tasks.TASKS, "task", config.task.name)
  for _, name, overrides in entries.labelled(config.information.estimators):
    information.build(name, **overrides)
  header = data.describe(config.data)
  classes = tasks.build(config.task, header.num_classes).num_classes
  checks.data(config, header._replace(num_classes=classes))
  reads = checks.kind(config, header.modality)
  built = plan.model(config, header, classes)
  name, cut = config.model.name, config.model.cut
  length = len(built.stages)
  if cut == -1:
    cut = built.reference_cut
  if not 0 <= cut <= length:
    raise ValueError(
      f"model.cut is {cut}; {name} has {length} stages, so take 0 to "
      f"{length}, or -1 for its reference cut {built.reference_cut}."
    )
  chain = defenses.chain(
    [defenses.build(n, **o) for n, o in entries.pieces(config.defenses)]
  )
  if chain.check:
    chain.check(classes, reads)
  assert chain.configure is not None  # refused here; applied when it is built
  effective = chain.configure({**config.model, "cut": cut})["cut"]
  config.model.cut = cut
  passive = parties - config.data.active_features
  if passive < 1:
    raise ValueError(
      f"data.parties={parties} with data.active_features leaves no passive "
      "party; take at least 2."
    )
  checks.coalitions(config.evaluate.coalitions, passive)
  setting = types.Setting(
    effective,
    length,
    config.record.messages if config.record.epochs else "",
    config.evaluate.label_prior,
    checks.local_optimizer(config, passive),
    chain.code is not None,
    tuple(config.record.epochs),
    chain.pairs is not None,
  )
  listed = entries.labelled(config.attacks)
  lenient = "possible" in [name for _, name, _ in listed]
  for _, name, overrides in listed:
    if name in entries.SETS:
      continue
    attack = attacks.build(
      name, **{"budget": config.evaluate.attack_steps, **overrides}
    )
    reason = attacks.missing(attack, setting)
    if reason and not lenient:
      raise ValueError(f"attack {name!r} cannot run here: {reason}.")
  return config


def calibration(config: Any) -> Any:
  """One of kind "calibration"; see `config.validate`."""
  checks.keys(config, defaults("calibration"), "", ())
  checks.grid(config)
  for _, name, overrides in entries.labelled(config.estimators):
    information.build(name, **overrides)
  return config
