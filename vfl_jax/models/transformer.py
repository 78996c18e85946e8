"""A small pre-norm transformer encoder, trained from scratch on tokens."""

from collections.abc import Sequence

from flax import linen as nn
import jax
import jax.numpy as jnp

from vfl_jax.models import layers
from vfl_jax.models import stages


class Embed(stages.Drawn):
  """Token plus position embeddings, and the mask of real tokens (id > 0).

  Each party's position table covers its own segment, so all positions of the
  merged sequence are distinct.
  """

  vocabulary: int
  width: int

  @nn.compact
  def __call__(self, ids, train):
    del train
    table = layers.table(self, "tokens", (self.vocabulary, self.width))
    position = layers.table(self, "positions", (ids.shape[1], self.width))
    mask = (ids > 0).astype(table.dtype)
    return {"x": table[ids] + position[None], "mask": mask}


class Layer(stages.Drawn):
  """Self-attention and a two-layer perceptron, each after a layer norm."""

  heads: int
  expansion: int

  @nn.compact
  def __call__(self, inputs, train):
    del train
    x, mask = inputs["x"], jax.lax.stop_gradient(inputs["mask"])
    n, length, width = x.shape
    y = nn.LayerNorm()(x)

    def project(name):
      out = layers.dense(width, name=name)(y)
      return out.reshape(n, length, self.heads, width // self.heads)

    logits = jnp.einsum("nqhd,nkhd->nhqk", project("query"), project("key"))
    logits = logits / jnp.sqrt(width / self.heads)
    logits = jnp.where(mask[:, None, None, :] > 0, logits, -1e9)
    mixed = jnp.einsum(
      "nhqk,nkhd->nqhd", jax.nn.softmax(logits), project("value")
    )
    x = x + layers.dense(width, name="out")(mixed.reshape(n, length, width))
    y = nn.gelu(layers.dense(self.expansion * width)(nn.LayerNorm()(x)))
    return {"x": x + layers.dense(width)(y), "mask": inputs["mask"]}


class Pool(stages.Drawn):
  """Mean over the real tokens."""

  @nn.compact
  def __call__(self, inputs, train):
    del train
    mask = jax.lax.stop_gradient(inputs["mask"])[..., None]
    x = nn.LayerNorm()(inputs["x"])
    return jnp.sum(x * mask, 1) / jnp.maximum(jnp.sum(mask, 1), 1.0)


def transformer(
  num_classes: int,
  *,
  vocabulary: Sequence[int],
  width: int = 64,
  heads: int = 4,
  depth: int = 4,
  expansion: int = 2,
  embedding: int = 0,
  top: Sequence[int] | None = None,
  norm: str = "batch",
) -> stages.Model:
  """A transformer: embedding, encoder layers, mean pooling, the usual tail.

  Attention between the parties' segments exists only above the cut. With a cut
  after the last layer, each party attends over its own tokens only.

  Args:
    num_classes: size of the output.
    vocabulary: number of token ids per party (all use the same tokenizer).
    width: width of the token vectors.
    heads: number of attention heads; must divide `width`.
    depth: number of encoder layers, each of which is a stage.
    expansion: hidden width of a layer's perceptron in multiples of `width`.
    embedding: width of the linear stage that ends the reference bottom; 0
      means `num_classes`.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: normalisation of the tail; the layers keep their layer norms.

  Raises:
    ValueError: `heads` does not divide `width`, or there is no vocabulary.
  """
  if width % heads:
    raise ValueError(f"model.heads={heads} must divide model.width={width}.")
  if not vocabulary or not max(vocabulary):
    raise ValueError("a transformer needs token ids: take a text data set.")
  height = max(vocabulary)
  body = (
    stages.Stage("embed", lambda party: Embed(height, width), stages.tokens),
    *(
      stages.Stage(
        f"layer{i + 1}",
        lambda party: Layer(heads, expansion),
        stages.tokens,
      )
      for i in range(depth)
    ),
    stages.Stage("pool", lambda party: Pool(), stages.features),
  )
  tail = layers.tail(num_classes, embedding, top, norm)
  return stages.Model(
    "transformer",
    body + tail,
    stages.tokens,
    len(body) + 1,
    num_classes,
    ("tokens",),
  )
