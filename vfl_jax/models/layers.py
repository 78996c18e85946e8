"""The layers that the architectures are made of."""

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
  """A lookup table whose shape is needed only when it is initialised.

  After that, a stage need not know which party's table it holds.

  Args:
    module: the module that owns the table.
    name: name of the parameter, to which "_table" is appended.
    shape: `(height, width)` of the table.
  """
  name = f"{name}_table"
  if module.is_initializing():
    law = nn.initializers.normal(shape[-1] ** -0.5)
    return module.param(name, law, shape)
  return module.get_variable("params", name)


class Norm(nn.Module):
  """Batch normalisation, group normalisation (at most 8 groups), or nothing.

  With "passport", the scale and shift of a batch normalisation are computed
  from fixed random vectors s, the holder's secret: gamma = Avg(D(E(s W))) with
  the kernel W of the preceding layer and two small trained maps D and E; beta
  likewise.

  Attributes:
    kind: one of `NORMS`.

  Source: for "passport", Gu et al. 2023, "FedPass", equation 4.
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
  """Computes one number per channel from secret random vectors.

  Attributes:
    channels: number of channels.
    copies: number of secret vectors, over which the result is averaged.
  """

  channels: int
  copies: int = 4

  @nn.compact
  def __call__(self, kernel=None):
    if kernel is None:
      kernel = jnp.eye(self.channels)
    # the convolution of a constant map, apart from its rim
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
  """SAME convolution; `bias` is for use without a normalisation."""

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
  """The normalised output of a layer; called within a compact module."""
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
  """Flattens the input, then dense, norm, ReLU."""

  width: int
  norm: str

  @nn.compact
  def __call__(self, x, train):
    x = x.reshape(len(x), -1)
    return nn.relu(normed(dense(self.width), self.norm, x, train))


class Linear(stages.Drawn):
  """Flattens the input, then a dense layer: the end of a reference bottom."""

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
  """The last stages of an architecture: a linear embedding, the dense top.

  The default is Fu et al.'s CIFAR-10 top, 20-20-10-10-10 on two embeddings of
  10: hidden widths (2C, C, C) and an output of C.

  Args:
    num_classes: number of classes C.
    embedding: width of the embedding; 0 means C.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: one of `NORMS`.
    join: builder of the embedding's module, given its width.
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
