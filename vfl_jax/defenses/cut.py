"""The paper's defence: advance the cut, so that parties hold fewer stages."""

from vfl_jax import types


def cut(*, advance: int = 1) -> types.Defense:
  """Move the cut `advance` stages forward (towards the features).

  Raises:
    ValueError: nothing is left of the cut, when the model is configured.
  """

  def configure(keywords):
    if keywords["cut"] < advance:
      raise ValueError(
        f"defence cut(advance={advance}) needs a cut of at least {advance}; "
        f"model.cut is {keywords['cut']}."
      )
    return {**keywords, "cut": keywords["cut"] - advance}

  return types.Defense(configure=configure)
