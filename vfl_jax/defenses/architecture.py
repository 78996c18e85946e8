"""Defences that are a matter of how the model is built."""

from vfl_jax.config import adaptive
from vfl_jax.defenses import base


def cut(*, advance: int = 1) -> base.Defense:
  """The paper's: move the cut `advance` stages forward (towards the features).

  Raises:
    ValueError: a negative advance; or nothing is left of the cut, when the
      model is configured.
  """
  if advance < 0:
    raise ValueError(f"defence 'cut': advance is {advance}; take at least 0.")

  def configure(keywords):
    if keywords["cut"] < advance:
      raise ValueError(
        f"defence cut(advance={advance}) needs a cut of at least {advance}; "
        f"model.cut is {keywords['cut']}."
      )
    return {**keywords, "cut": keywords["cut"] - advance}

  return base.Defense(
    configure=configure,
    adaptive=(adaptive.COMPLETION,),
  )


def fedpass() -> base.Defense:
  """Scale and shift after every layer from passports that parties keep.

  Each layer's output is normalised, then scaled by gamma and shifted by beta,
  which small trained networks compute from the layer's weights and from fixed
  random vectors, other ones at every party: see `models.layers.Norm`. A
  transformer's layers keep their layer norms.

  Source: Gu et al. 2023, "FedPass", equations 3 and 4.
  """

  def configure(keywords):
    return {**keywords, "norm": "passport"}

  return base.Defense(
    configure=configure,
    adaptive=(adaptive.COMPLETION, "hint"),
  )
