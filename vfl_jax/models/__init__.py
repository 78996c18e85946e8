"""Architectures as tuples of stages that can be cut anywhere; small heads.

Only this package imports flax. It knows about stages, not about cuts.
"""

import functools
from typing import Any

from vfl_jax.config import registry
from vfl_jax.models import deepfm
from vfl_jax.models import layers
from vfl_jax.models import lenet
from vfl_jax.models import mlp
from vfl_jax.models import resnet
from vfl_jax.models.stages import Model
from vfl_jax.models.stages import Stage
from vfl_jax.models import transformer
from vfl_jax.models import vgg

__all__ = ["MODELS", "Model", "Stage", "build", "options"]

MODELS = {
  "mlp": mlp.mlp,
  "lenet": lenet.lenet,
  "vgg": vgg.vgg,
  "resnet20": functools.partial(resnet.resnet, depth=20),
  "resnet56": functools.partial(resnet.resnet, depth=56),
  "resnet18": functools.partial(resnet.resnet, depth=18),
  "transformer": transformer.transformer,
  "deepfm": deepfm.deepfm,
}


def build(name: str, num_classes: int, **keywords: Any) -> Model:
  """Builds an architecture by name.

  Args:
    name: a key of `MODELS`, or the user's own `package.module:builder`.
    num_classes: size of the output.
    **keywords: keywords of the builder, e.g. `norm="group"` or `hidden=(64,
      64)`. `vocabulary` (number of ids per party) is for models over ids and
      is dropped for builders that do not take it.

  Raises:
    ValueError: the name is unknown, a size is too small, or the builder
      refuses a keyword.

  >>> model = build("mlp", num_classes=10, hidden=(32, 16))
  >>> [stage.name for stage in model.stages][:4], model.reference_cut
  (['dense1', 'dense2', 'embedding', 'top1'], 3)
  """
  for key, value in keywords.items():
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    low = 1 if sizes is value and key != "vocabulary" else 0
    if any(isinstance(v, int) and v < low for v in sizes):
      raise ValueError(f"model.{key} is {value!r}; no size may be below {low}.")
  if "norm" in keywords:
    norms = dict.fromkeys(layers.NORMS)
    registry.lookup(norms, "model.norm", keywords["norm"])
  accepted = registry.parameters(registry.lookup(MODELS, "model", name))
  if "vocabulary" not in accepted:
    keywords.pop("vocabulary", None)
  return registry.build("model", MODELS, name, num_classes, **keywords)


def options(name: str) -> tuple[str, ...]:
  """The names of the keywords that a config may set for an architecture."""
  builder = registry.lookup(MODELS, "model", name)
  return tuple(k for k in registry.parameters(builder) if k != "vocabulary")
