"""LeNet-5 with SAME padding, so that narrow slices of images fit."""

from collections.abc import Sequence

from vfl_jax.models import layers
from vfl_jax.models import stages


def lenet(
  num_classes: int,
  *,
  vocabulary: Sequence[int] = (),
  channels: Sequence[int] = (6, 16),
  hidden: Sequence[int] = (120, 84),
  embedding: int = 0,
  top: Sequence[int] | None = None,
  norm: str = "batch",
) -> stages.Model:
  """LeNet: 5x5 convolutions with 2x2 average pooling, dense stages, the tail.

  Maps of several parties are merged along the width, flat features side by
  side.

  Args:
    num_classes: size of the output.
    vocabulary: not used.
    channels: channels of each convolution.
    hidden: widths of the dense stages.
    embedding: width of the linear stage that ends the reference bottom; 0
      means `num_classes`.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: "batch", "group" or "none".

  Source: LeCun et al. 1998, with ReLU and the normalisation named by `norm`.
  """
  del vocabulary
  body = tuple(
    stages.Stage(
      f"conv{i + 1}",
      lambda party, c=c: layers.ConvBlock((c,), 5, norm, "average"),
      stages.maps,
    )
    for i, c in enumerate(channels)
  ) + tuple(
    stages.Stage(
      f"dense{i + 1}",
      lambda party, width=width: layers.Dense(width, norm),
      stages.features,
    )
    for i, width in enumerate(hidden)
  )
  tail = layers.tail(num_classes, embedding, top, norm)
  return stages.Model(
    "lenet", body + tail, stages.raw, len(body) + 1, num_classes, ("image",)
  )
