"""A VGG-style net: pairs of 3x3 convolutions with pooling, then dense."""

from collections.abc import Sequence

from vfl_jax.models import layers
from vfl_jax.models import stages


def vgg(
  num_classes: int,
  *,
  vocabulary: Sequence[int] = (),
  channels: Sequence[int] = (64, 128, 256),
  hidden: Sequence[int] = (256,),
  embedding: int = 0,
  top: Sequence[int] | None = None,
  norm: str = "batch",
) -> stages.Model:
  """VGG: blocks of two convolutions and a 2x2 max pooling, dense stages, tail.

  Args:
    num_classes: size of the output.
    vocabulary: not used.
    channels: channels of each block, which is one stage.
    hidden: widths of the dense stages.
    embedding: width of the linear stage that ends the reference bottom; 0
      means `num_classes`.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: "batch", "group" or "none".

  Source: Simonyan and Zisserman 2015, scaled to 32x32 images.
  """
  del vocabulary
  body = tuple(
    stages.Stage(
      f"block{i + 1}",
      lambda party, c=c: layers.ConvBlock((c, c), 3, norm, "max"),
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
    "vgg", body + tail, stages.raw, len(body) + 1, num_classes, ("image",)
  )
