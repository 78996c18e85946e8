"""Multi-layer perceptron on flattened features: images and tables."""

from collections.abc import Sequence

from vfl_jax.models import layers
from vfl_jax.models import stages


def mlp(
  num_classes: int,
  *,
  vocabulary: Sequence[int] = (),
  hidden: Sequence[int] = (128, 64, 64),
  embedding: int = 0,
  top: Sequence[int] | None = None,
  norm: str = "batch",
) -> stages.Model:
  """A perceptron: dense-norm-ReLU stages, a linear embedding, the usual top.

  Fu et al.'s breast cancer net is `hidden=(20, 20), embedding=2, top=(4,),
  norm="none"`; their Criteo net is `hidden=(64, 16), embedding=4, top=(8, 4)`.

  Args:
    num_classes: size of the output.
    vocabulary: not used; tables are encoded one-hot or hashed before.
    hidden: widths of the bottom's hidden stages.
    embedding: width of the linear stage that ends the reference bottom; 0
      means `num_classes`.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: "batch", "group" or "none".
  """
  del vocabulary
  body = tuple(
    stages.Stage(
      f"dense{i + 1}",
      lambda party, width=width: layers.Dense(width, norm),
      stages.features,
    )
    for i, width in enumerate(hidden)
  )
  tail = layers.tail(num_classes, embedding, top, norm)
  return stages.Model(
    "mlp",
    body + tail,
    stages.raw,
    len(body) + 1,
    num_classes,
    ("image", "rows"),
  )
