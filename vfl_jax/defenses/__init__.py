"""Defences: optional pure functions, one per port of the training step.

`base` defines the ports. How well a defence works is measured elsewhere, and
nothing is imported from `attacks` or `information`.
"""

from vfl_jax.config import registry
from vfl_jax.defenses import architecture
from vfl_jax.defenses import base
from vfl_jax.defenses import compression
from vfl_jax.defenses import labels
from vfl_jax.defenses import lcd
from vfl_jax.defenses import marvell
from vfl_jax.defenses import mixup
from vfl_jax.defenses import noise
from vfl_jax.defenses import ppdl
from vfl_jax.defenses import representation

__all__ = ["DEFENSES", "build"]

DEFENSES = {
  # configuration
  "cut": architecture.cut,
  "fedpass": architecture.fedpass,
  # gradients
  "gaussian": noise.gaussian,
  "laplace": noise.laplace,
  "isotropic": noise.isotropic,
  "max_norm": noise.max_norm,
  "perpendicular": noise.perpendicular,
  "grad_perturb": noise.grad_perturb,
  "marvell": marvell.marvell,
  "compression": compression.compression,
  "sparsification": compression.sparsification,
  "discrete": compression.discrete,
  "sign": compression.sign,
  "ppdl": ppdl.ppdl,
  "average": compression.average,
  # labels
  "label_dp": labels.label_dp,
  "kdk": labels.kdk,
  "cae": labels.cae,
  "dcae": labels.dcae,
  "lcd": lcd.lcd,
  # embeddings and inputs
  "mid": representation.mid,
  "dcor": representation.dcor,
  "peloss": representation.peloss,
  "adversarial": representation.adversarial,
  "mixup": mixup.mixup,
}


def build(name: str, **keywords) -> base.Defense:
  """Builds the named defence.

  Args:
    name: key of `DEFENSES`, or the user's own `package.module:builder`.
    **keywords: options of the defence.

  Raises:
    ValueError: the name or an option is unknown, or the builder refuses a
      value.
  """
  built = registry.build("defense", DEFENSES, name, **keywords)
  return built._replace(name=name)
