"""Defences: optional pure functions, one per port of the training step."""

from vfl_jax import ports
from vfl_jax import registry
from vfl_jax.defenses.chaining import chain
from vfl_jax.defenses.reduction import average
from vfl_jax.defenses.reduction import compression
from vfl_jax.defenses.reduction import discrete
from vfl_jax.defenses.reduction import sign
from vfl_jax.defenses.reduction import sparsification
from vfl_jax.defenses.configuration import cut
from vfl_jax.defenses.configuration import fedpass
from vfl_jax.defenses.label import cae
from vfl_jax.defenses.label import dcae
from vfl_jax.defenses.label import kdk
from vfl_jax.defenses.label import label_dp
from vfl_jax.defenses.shaped import marvell
from vfl_jax.defenses.merging import lcd
from vfl_jax.defenses.mixing import mixup
from vfl_jax.defenses.noise import gaussian
from vfl_jax.defenses.noise import grad_perturb
from vfl_jax.defenses.noise import isotropic
from vfl_jax.defenses.noise import laplace
from vfl_jax.defenses.noise import max_norm
from vfl_jax.defenses.noise import perpendicular
from vfl_jax.defenses.representation import adversarial
from vfl_jax.defenses.representation import dcor
from vfl_jax.defenses.representation import mid
from vfl_jax.defenses.representation import peloss
from vfl_jax.defenses.selection import ppdl

__all__ = ["DEFENSES", "build", "chain"]

DEFENSES = {
  # configuration
  "cut": cut,
  "fedpass": fedpass,
  # gradients
  "gaussian": gaussian,
  "laplace": laplace,
  "isotropic": isotropic,
  "max_norm": max_norm,
  "perpendicular": perpendicular,
  "grad_perturb": grad_perturb,
  "marvell": marvell,
  "compression": compression,
  "sparsification": sparsification,
  "discrete": discrete,
  "sign": sign,
  "ppdl": ppdl,
  "average": average,
  # labels
  "label_dp": label_dp,
  "kdk": kdk,
  "cae": cae,
  "dcae": dcae,
  "lcd": lcd,
  # embeddings and inputs
  "mid": mid,
  "dcor": dcor,
  "peloss": peloss,
  "adversarial": adversarial,
  "mixup": mixup,
}


def build(name: str, **keywords) -> ports.Defense:
  """The named defence.

  Raises:
    ValueError: unknown name, or a value the builder refuses.
  """
  built = registry.build("defense", DEFENSES, name, **keywords)
  return built._replace(name=name)
