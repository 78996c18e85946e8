"""Defences that change how the model is built."""

from vfl_jax.config import adaptive
from vfl_jax.defenses import base


def cut(*, advance: int = 1) -> base.Defense:
  """The paper's defence: moves the cut forward, towards the features.

  Args:
    advance: number of stages by which the cut moves.

  Raises:
    ValueError: `advance` is negative; or, when the model is configured, it is
      larger than the cut.
  """
  if advance < 0:
    raise ValueError(f"defence 'cut': advance is {advance}; take at least 0.")

  def configure(keywords):
    if keywords["cut"] < advance:
      raise ValueError(
        f"defence cut(advance={advance}) needs a cut of at least {advance}; "
        f"model.cut is {keywords['cut']}; take a smaller advance or a larger "
        "cut."
      )
    return {**keywords, "cut": keywords["cut"] - advance}

  return base.Defense(
    configure=configure,
    adaptive=(adaptive.COMPLETION,),
  )


def fedpass() -> base.Defense:
  """Scales and shifts every layer's output by private passports.

  Each layer's output is normalised, then scaled by gamma and shifted by beta.
  Small trained networks compute both from the layer's weights and from fixed
  random vectors, which differ between parties: see `models.layers.Norm`. The
  layers of a transformer keep their layer norms.

  Source: Gu et al. 2023, "FedPass", equations 3 and 4.
  """

  def configure(keywords):
    return {**keywords, "norm": "passport"}

  return base.Defense(
    configure=configure,
    adaptive=(adaptive.COMPLETION, "hint"),
  )
