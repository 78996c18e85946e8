"""What an experiment makes available to attacks."""

from typing import Any

from vfl_jax.attacks import base as attack_base
from vfl_jax.defenses import base
from vfl_jax.federation import optimizers
from vfl_jax.federation import setup


def of(
  config: Any, defense: base.Defense, cut: int, stages: int
) -> attack_base.Setting:
  """The setting of an experiment, by which attacks are selected.

  Args:
    config: config of the experiment.
    defense: all defences of the experiment, chained into one.
    cut: number of stages below the cut, as the defences have configured it.
    stages: number of all stages.
  """
  record = config.record
  passive = setup.passive_parties(config)
  return attack_base.Setting(
    cut=cut,
    stages=stages,
    messages=record.messages if record.epochs else "",
    label_prior=config.evaluate.label_prior,
    optimizer=optimizers.local_optimizer(config, passive),
    code=defense.code is not None,
    epochs=tuple(record.epochs),
    pairs=defense.pairs is not None,
  )
