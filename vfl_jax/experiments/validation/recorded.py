"""Check that enough rows are recorded for the attacks that read them."""

from typing import Any

import numpy as np

from vfl_jax import attacks
from vfl_jax.config import entries
from vfl_jax.federation import setup as federation_setup


def recorded(config: Any, setup: federation_setup.Setup) -> None:
  """Check that each class has recorded rows beyond the attacker's known ones.

  Raises:
    ValueError: the attacker would know all recorded rows of a class.
  """
  labels = setup.dataset.train.labels[setup.recorder.rows]
  rarest = int(np.bincount(labels, minlength=setup.dataset.num_classes).min())
  if reads_gradients(config) and rarest <= config.evaluate.aux_per_class:
    raise ValueError(
      f"record.samples is {config.record.samples}: the rarest class has "
      f"{rarest} recorded rows, and {config.evaluate.aux_per_class} of them "
      "(evaluate.aux_per_class) go to the attacker; record more, or 0 for all."
    )


def reads_gradients(config: Any) -> bool:
  """Whether an attack takes its known samples from the recorded rows."""
  if not config.record.epochs or config.record.messages == "averaged":
    return False
  return any(
    name in entries.SETS
    or "gradients" in attacks.build(name, **overrides).needs
    for _, name, overrides in entries.labelled(config.attacks)
  )
