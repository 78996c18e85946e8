"""The few layers every architecture is made of."""

from collections.abc import Sequence
import functools

from flax import linen as nn
import jax
import jax.numpy as jnp

from vfl_jax.models import convolution
from vfl_jax.models import normalization
from vfl_jax.models import stages

NORMS = ("batch", "group", "none", "passport")
HE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
dense = functools.partial(nn.Dense, kernel_init=HE)


def table(module: nn.Module, name: str, shape: tuple[int, ...]) -> jax.Array:
  """A lookup table whose height is only asked for when it is made.

  A stage in use need not know which party's table it holds.
  """
  name = f"{name}_table"
  if module.is_initializing():
    law = nn.initializers.normal(shape[-1] ** -0.5)
    return module.param(name, law, shape)
  return module.get_variable("params", name)


class Norm(nn.Module):
  """Batch normalisation, group normalisation (at most 8 groups), or nothing.

  With "passport" it is batch normalisation whose scale and shift are computed
  from fixed random vectors s, the holder's secret: gamma = Avg(D(E(s W))) with
  the kernel W of the layer before and two small trained maps D and E, beta
  likewise (Gu et al. 2023, "FedPass", equation 4).
  """

  kind: str

  @nn.compact
  def __call__(self, x, train, kernel=None):
    if self.kind == "passport":
      y = normalization.BatchNorm(affine=False)(x, train)
      scale = Passport(x.shape[-1], name="scale_of")(kernel)
      return y * scale + Passport(x.shape[-1], name="shift_of")(kernel)
    if self.kind == "batch":
      return normalization.BatchNorm()(x, train)
    if self.kind == "group":
      channels = x.shape[-1]
      groups = next(g for g in (8, 4, 2, 1) if channels % g == 0)
      return nn.GroupNorm(num_groups=groups)(x)
    if self.kind == "none":
      return x
    raise ValueError(f"model.norm is {self.kind!r}; take one of {NORMS}.")


class Passport(nn.Module):
  """A vector of one number per channel from secret random ones."""

  channels: int
  copies: int = 4

  @nn.compact
  def __call__(self, kernel=None):
    if kernel is None:
      kernel = jnp.eye(self.channels)
    # a map that is the same everywhere, but for what lies at its rim
    kernel = kernel.reshape(-1, *kernel.shape[-2:]).sum(0)
    shape = self.copies, kernel.shape[0]
    secret = self.variable("batch_stats", "passport", self._secret, shape)
    code = dense(max(4, self.channels // 4), name="encoder")(
      secret.value @ kernel
    )
    return dense(self.channels, name="decoder")(nn.leaky_relu(code)).mean(0)

  def _secret(self, shape):
    key = self.make_rng("params")
    means = jax.random.uniform(key, (shape[0], 1), minval=-1.0, maxval=1.0)
    return means + jax.random.normal(jax.random.fold_in(key, 1), shape)


class Conv(nn.Module):
  """SAME convolution; a bias only where no normalisation follows."""

  channels: int
  size: int
  stride: int = 1
  bias: bool = False

  @nn.compact
  def __call__(self, x):
    shape = (self.size, self.size, x.shape[-1], self.channels)
    kernel = self.param("kernel", HE, shape)
    y = convolution.conv(x, kernel, self.stride)
    if self.bias:
      y = y + self.param("bias", nn.initializers.zeros, (self.channels,))
    return y


def normed(layer: nn.Module, norm: str, x: jax.Array, train: bool) -> jax.Array:
  """A layer's output, normalised; called within a compact module."""
  y = layer(x)  # pyright: ignore
  return Norm(norm)(y, train, layer.variables["params"]["kernel"])


class ConvBlock(stages.Drawn):
  """Convolution-norm-ReLU once per entry of `channels`, then 2x2 pooling."""

  channels: Sequence[int]
  size: int
  norm: str
  pool: str

  @nn.compact
  def __call__(self, x, train):
    for channels in self.channels:
      conv = Conv(channels, self.size, bias=self.norm == "none")
      x = nn.relu(normed(conv, self.norm, x, train))
    return convolution.pool(x, self.pool)


class Dense(stages.Drawn):
  """Flatten if need be, dense, norm, ReLU."""

  width: int
  norm: str

  @nn.compact
  def __call__(self, x, train):
    x = x.reshape(len(x), -1)
    return nn.relu(normed(dense(self.width), self.norm, x, train))


class Linear(stages.Drawn):
  """Flatten if need be, then a dense layer: how a reference bottom ends."""

  width: int

  @nn.compact
  def __call__(self, x, train):
    del train
    return dense(self.width)(x.reshape(len(x), -1))


class Top(stages.Drawn):
  """Norm-ReLU-dense: the unit of the reference top."""

  width: int
  norm: str

  @nn.compact
  def __call__(self, x, train):
    return dense(self.width)(nn.relu(Norm(self.norm)(x, train)))


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
