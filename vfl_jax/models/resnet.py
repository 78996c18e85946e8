"""Residual networks: the CIFAR family (20, 56) and a small ResNet-18."""

from collections.abc import Sequence

from flax import linen as nn
import jax.numpy as jnp

from vfl_jax.models import layers
from vfl_jax.models import stages

_LAYOUT = {  # blocks per group
  20: (3, 3, 3),
  56: (9, 9, 9),
  18: (2, 2, 2, 2),
}


class Block(stages.Drawn):
  """Two 3x3 convolutions and a shortcut (1x1 where the shape changes)."""

  channels: int
  stride: int
  norm: str

  @nn.compact
  def __call__(self, x, train):
    def conv_norm(x, size, stride):
      conv = layers.Conv(self.channels, size, stride, self.norm == "none")
      return layers.normed(conv, self.norm, x, train)

    y = nn.relu(conv_norm(x, 3, self.stride))
    y = conv_norm(y, 3, 1)
    if x.shape[-1] != self.channels or self.stride != 1:
      x = conv_norm(x, 1, self.stride)
    return nn.relu(x + y)


class Pool(stages.Drawn):
  """Global average pooling over the map."""

  @nn.compact
  def __call__(self, x, train):
    del train
    return jnp.mean(x, axis=(1, 2))


def resnet(
  num_classes: int,
  *,
  vocabulary: Sequence[int] = (),
  depth: int = 20,
  width: int = 0,
  embedding: int = 0,
  top: Sequence[int] | None = None,
  norm: str = "batch",
) -> stages.Model:
  """ResNet: a stem, one stage per residual block, global pooling, the tail.

  Args:
    num_classes: size of the output.
    vocabulary: not used.
    depth: 20 or 56 (three groups of blocks), or 18 (four groups).
    width: channels of the first group; 0 means 64 for depth 18, else 16.
    embedding: width of the linear stage that ends the reference bottom; 0
      means `num_classes`.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: "batch", "group" or "none".

  Raises:
    ValueError: the depth is not one of these.

  Source: He et al. 2016, sections 4.1 and 4.2; the bottom ends as Fu et al.'s.
  """
  del vocabulary
  if depth not in _LAYOUT:
    raise ValueError(f"model.depth is {depth}; take one of {sorted(_LAYOUT)}.")
  width = width or (64 if depth == 18 else 16)
  body = [
    stages.Stage(
      "stem",
      lambda party: layers.ConvBlock((width,), 3, norm, "none"),
      stages.maps,
    )
  ]
  for group, blocks in enumerate(_LAYOUT[depth]):
    for block in range(blocks):
      channels = width * 2**group
      stride = 2 if group and not block else 1
      body.append(
        stages.Stage(
          f"group{group + 1}_block{block + 1}",
          lambda party, c=channels, s=stride: Block(c, s, norm),
          stages.maps,
        )
      )
  body.append(stages.Stage("pool", lambda party: Pool(), stages.features))
  tail = layers.tail(num_classes, embedding, top, norm)
  return stages.Model(
    f"resnet{depth}",
    tuple(body) + tail,
    stages.raw,
    len(body) + 1,
    num_classes,
    ("image",),
  )
