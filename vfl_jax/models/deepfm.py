"""DeepFM: field embeddings, a factorization machine and a deep branch."""

from collections.abc import Sequence

from flax import linen as nn
import jax.numpy as jnp

from vfl_jax.models import layers
from vfl_jax.models import stages


class Embed(stages.Drawn):
  """A vector and a weight per field; a numeric field scales its vector.

  The input is `{"numeric": [n, a] float, "category": [n, b] int}`, the output
  `{"fields": [n, a + b, width], "linear": [n, a + b]}`.

  Attributes:
    vocabulary: number of category ids.
    width: width of a field vector.
  """

  vocabulary: int
  width: int

  @nn.compact
  def __call__(self, inputs, train):
    del train
    numeric, category = inputs["numeric"], inputs["category"]
    fields, linear = [], []
    if numeric.shape[1]:
      size = numeric.shape[1]
      vectors = layers.table(self, "numeric", (size, self.width))
      weights = layers.table(self, "numeric_linear", (size, 1))
      fields.append(numeric[..., None] * vectors)
      linear.append(numeric * weights[:, 0])
    if category.shape[1]:
      size = self.vocabulary
      vectors = layers.table(self, "category", (size, self.width))
      weights = layers.table(self, "category_linear", (size, 1))
      fields.append(vectors[category])
      linear.append(weights[category][..., 0])
    return {
      "fields": jnp.concatenate(fields, 1),
      "linear": jnp.concatenate(linear, 1),
    }


class Interact(stages.Drawn):
  """First- and second-order terms beside the flattened fields."""

  @nn.compact
  def __call__(self, inputs, train):
    del train
    fields = inputs["fields"]
    total = jnp.sum(fields, 1)
    pairs = 0.5 * jnp.sum(total**2 - jnp.sum(fields**2, 1), -1, keepdims=True)
    linear = jnp.sum(inputs["linear"], 1, keepdims=True)
    return {"deep": fields.reshape(len(fields), -1), "fm": linear + pairs}


class Deep(stages.Drawn):
  """A dense stage on the deep branch; the machine's term is passed on."""

  width: int
  norm: str

  @nn.compact
  def __call__(self, inputs, train):
    deep = layers.Dense(self.width, self.norm)(inputs["deep"], train)
    return {"deep": deep, "fm": inputs["fm"]}


class Join(stages.Drawn):
  """A linear stage over both branches, the end of the reference bottom."""

  width: int

  @nn.compact
  def __call__(self, inputs, train):
    del train
    both = jnp.concatenate([inputs["deep"], inputs["fm"]], -1)
    return layers.dense(self.width)(both)


def _branches(outputs):
  """Concatenates the deep branches and adds the parties' machine terms."""
  return {
    "deep": jnp.concatenate([o["deep"] for o in outputs], -1),
    "fm": sum(o["fm"] for o in outputs),
  }


def deepfm(
  num_classes: int,
  *,
  vocabulary: Sequence[int],
  width: int = 8,
  hidden: Sequence[int] = (64, 32),
  embedding: int = 0,
  top: Sequence[int] | None = None,
  norm: str = "batch",
) -> stages.Model:
  """DeepFM: embed, interact, dense stages, a linear join, the usual tail.

  At cut 0 or 1 the machine pairs fields across parties. From cut 2 on each
  party pairs only its own fields, and the pairs across parties are lost.

  Args:
    num_classes: size of the output.
    vocabulary: number of category ids per party.
    width: width of a field vector.
    hidden: widths of the deep branch's stages.
    embedding: width of the linear stage that ends the reference bottom; 0
      means `num_classes`.
    top: widths of the top's hidden stages; None is (2C, C, C).
    norm: "batch", "group" or "none".

  Source: Guo et al. 2017.
  """
  vocabulary = tuple(vocabulary)
  offsets = [sum(vocabulary[:k]) for k in range(len(vocabulary))]

  def height(party):
    return sum(vocabulary) if party is None else vocabulary[party]

  def merge_inputs(inputs):
    return {
      "numeric": jnp.concatenate([x["numeric"] for x in inputs], 1),
      "category": jnp.concatenate(
        [x["category"] + o for x, o in zip(inputs, offsets, strict=True)],
        1,
      ),
    }

  body = (
    stages.Stage(
      "embed", lambda party: Embed(height(party), width), stages.tokens
    ),
    stages.Stage("interact", lambda party: Interact(), _branches),
    *(
      stages.Stage(f"dense{i + 1}", lambda party, w=w: Deep(w, norm), _branches)
      for i, w in enumerate(hidden)
    ),
  )
  tail = layers.tail(num_classes, embedding, top, norm, join=Join)
  return stages.Model(
    "deepfm", body + tail, merge_inputs, len(body) + 1, num_classes, ("fields",)
  )
