"""What the attacks of a config read of recorded messages."""

from vfl_jax import attacks
from vfl_jax.config import entries


def reads_gradients(config):
  """Whether an attack takes its known samples from the recorded rows."""
  if not config.record.epochs or config.record.messages == "averaged":
    return False
  return any(
    name in entries.SETS or "gradients" in attacks.build(name, **own).needs
    for _, name, own in entries.labelled(config.attacks)
  )
