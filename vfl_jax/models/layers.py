"""The few layers every architecture is made of."""

from collections.abc import Sequence

from flax import linen as nn
import jax

from vfl_jax.models import convolution
from vfl_jax.models import stages

NORMS = ("batch", "group", "none")


def table(module: nn.Module, name: str, shape: tuple[int, ...]) -> jax.Array:
  """A lookup table whose height is only asked for when it is made.

  A stage in use need not know which party's table it holds.
  """
  name = f"{name}_table"
  if module.is_initializing():
    return module.param(name, nn.initializers.zeros, shape)
  return module.get_variable("params", name)


class Norm(nn.Module):
  """Batch normalisation, group normalisation (at most 8 groups), or nothing."""

  kind: str

  @nn.compact
  def __call__(self, x, train):
    if self.kind == "batch":
      return nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
    if self.kind == "group":
      channels = x.shape[-1]
      groups = next(g for g in (8, 4, 2, 1) if channels % g == 0)
      return nn.GroupNorm(num_groups=groups)(x)
    if self.kind == "none":
      return x
    raise ValueError(f"model.norm is {self.kind!r}; take one of {NORMS}.")


class Conv(nn.Module):
  """SAME convolution; a bias only where no normalisation follows."""

  channels: int
  size: int
  stride: int = 1
  bias: bool = False

  @nn.compact
  def __call__(self, x):
    shape = (self.size, self.size, x.shape[-1], self.channels)
    kernel = self.param("kernel", nn.initializers.zeros, shape)
    y = convolution.conv(x, kernel, self.stride)
    if self.bias:
      y = y + self.param("bias", nn.initializers.zeros, (self.channels,))
    return y


class ConvBlock(nn.Module):
  """Convolution-norm-ReLU once per entry of `channels`, then 2x2 pooling."""

  channels: Sequence[int]
  size: int
  norm: str
  pool: str

  @nn.compact
  def __call__(self, x, train):
    for channels in self.channels:
      x = Conv(channels, self.size, bias=self.norm == "none")(x)
      x = nn.relu(Norm(self.norm)(x, train))
    return convolution.pool(x, self.pool)


class Dense(nn.Module):
  """Flatten if need be, dense, norm, ReLU."""

  width: int
  norm: str

  @nn.compact
  def __call__(self, x, train):
    x = nn.Dense(self.width)(x.reshape(len(x), -1))
    return nn.relu(Norm(self.norm)(x, train))


class Linear(nn.Module):
  """Flatten if need be, then a dense layer: how a reference bottom ends."""

  width: int

  @nn.compact
  def __call__(self, x, train):
    del train
    return nn.Dense(self.width)(x.reshape(len(x), -1))


class Top(nn.Module):
  """Norm-ReLU-dense: the unit of the reference top."""

  width: int
  norm: str

  @nn.compact
  def __call__(self, x, train):
    return nn.Dense(self.width)(nn.relu(Norm(self.norm)(x, train)))


def tail(
  num_classes: int,
  embedding: int,
  top: Sequence[int] | None,
  norm: str,
  join=Linear,
) -> tuple[stages.Stage, ...]:
  """A linear embedding (class-sized by default), then the dense top.

  Fu et al.'s CIFAR-10 top, 20-20-10-10-10 on two embeddings of 10, is the
  default: hidden widths (2C, C, C) and an output of C.
  """
  c = num_classes
  widths = (*((2 * c, c, c) if top is None else top), c)
  return (
    stages.Stage(
      "embedding", lambda party: join(embedding or c), stages.features
    ),
    *(
      stages.Stage(
        f"top{i + 1}",
        lambda party, width=width: Top(width, norm),
        stages.features,
      )
      for i, width in enumerate(widths)
    ),
  )
