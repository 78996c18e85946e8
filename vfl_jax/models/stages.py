"""A model is a tuple of named stages; the cut is an index into it.

A stage is a flax module with the call `module(x, train)` and the rule by which
the outputs of several parties are merged after it. Variables are plain dicts,
`{"params": ..., "stats": ...}` per stage.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.runtime import rng


class Stage(NamedTuple):
  """One stage of a model; the cut lies between two stages.

  Attributes:
    name: name of the stage, unique within its model.
    module: `module(party)` gives the flax module; `party` matters only if the
      stage's parameters depend on what that party holds (the height of an
      embedding table), and is None once the stage belongs to the top.
    merge: function that joins this stage's outputs, one per party, into the
      input of the next stage.
  """

  name: str
  module: Callable[[int | None], nn.Module]
  merge: Callable[[Sequence[Any]], Any]


class Model(NamedTuple):
  """An architecture.

  Attributes:
    name: name of the architecture.
    stages: the stages, in order.
    merge_inputs: merge of the parties' raw features, which go up at cut 0.
    reference_cut: the cut that the attack literature uses.
    num_classes: size of the output.
    reads: kinds of input it takes: "image", "rows", "fields", "tokens".
  """

  name: str
  stages: tuple[Stage, ...]
  merge_inputs: Callable[[Sequence[Any]], Any]
  reference_cut: int
  num_classes: int
  reads: tuple[str, ...]

  @property
  def convolutional(self) -> bool:
    """Whether it convolves, so that a CPU maps seeds faster in sequence."""
    return self.reads == ("image",)


def concatenate(axis: int) -> Callable[[Sequence[Any]], Any]:
  """A merge that concatenates every leaf along `axis`."""

  def merge(outputs):
    return jax.tree.map(
      lambda *leaves: jnp.concatenate(leaves, axis=axis), *outputs
    )

  return merge


features = concatenate(-1)  # [n, d]: side by side
maps = concatenate(2)  # [n, height, width, channels]: on width
tokens = concatenate(1)  # [n, length, d] and masks [n, length]: in sequence


def raw(inputs: Sequence[Any]) -> Any:
  """Merges raw features: images along the width, table rows side by side."""
  return maps(inputs) if np.ndim(inputs[0]) == 4 else features(inputs)


class Drawn(nn.Module):
  """A module whose parameters are drawn on the host, without compiling.

  A parameter's name decides its distribution, see `_draw`, which must be that
  of the module's own initialiser. Other flax modules initialise themselves.
  """


def init(stage: Stage, key: jax.Array, x: Any, party: int | None = None):
  """Initialises a stage for inputs shaped like `x`.

  Shapes come from abstract evaluation. A `Drawn` module is drawn on the host;
  any other module uses its own initialisers.

  Args:
    stage: the stage.
    key: random key.
    x: input tree of arrays or shapes.
    party: number of the party that holds the stage; None for the top.

  Returns:
    `({"params": ..., "stats": ...}, output)` with numpy leaves and the output
    as `jax.ShapeDtypeStruct`s.
  """
  module = stage.module(party)
  output, shapes = _remembering(_shapes, module)(module, *_described(x))
  if isinstance(module, Drawn):
    generator = rng.generator(key)
    filled = jax.tree_util.tree_map_with_path(
      lambda path, leaf: _draw(generator, path[-1].key, leaf), shapes
    )
  else:
    described = jax.tree.map(
      lambda a: jax.ShapeDtypeStruct(np.shape(a), a.dtype), x
    )
    filled = jax.tree.map(
      np.asarray, module.lazy_init(key, described, train=False)
    )
  variables = {
    "params": filled.get("params", {}),
    "stats": filled.get("batch_stats", {}),
  }
  return variables, output


def apply(stage: Stage, variables: Any, x: Any, train: bool):
  """The stage's output and its new normalisation statistics.

  Args:
    stage: the stage.
    variables: `{"params", "stats"}` of the stage.
    x: input tree.
    train: whether to normalise by the batch and update the statistics.
  """
  module = stage.module(None)
  return _remembering(_applied, module)(module, variables, x, train)


def _remembering(function, module):
  """The cached function, or the plain one if the module is not hashable."""
  try:
    hash(module)
  except TypeError:  # a field of it is a list, say
    return function.__wrapped__
  return function


# traced once and inlined in every program that contains the stage
@functools.partial(jax.jit, static_argnums=(0, 3), inline=True)
def _applied(module, variables, x, train):
  collections = {
    "params": variables["params"],
    "batch_stats": variables["stats"],
  }
  if not train:
    return module.apply(collections, x, train=False), variables["stats"]
  y, updates = module.apply(collections, x, train=True, mutable=["batch_stats"])
  return y, updates.get("batch_stats", {})


def _described(x):
  """Structure, shapes and dtypes of a tree, as a hashable key."""
  leaves, structure = jax.tree.flatten(x)
  return structure, tuple(
    jax.ShapeDtypeStruct(np.shape(a), a.dtype) for a in leaves
  )


@functools.lru_cache(1024)
def _shapes(module, structure, leaves):
  """Shapes of the output and of the variables of a module."""

  def run(x):
    return module.init_with_output(jax.random.key(0), x, train=False)

  return jax.eval_shape(run, jax.tree.unflatten(structure, leaves))


def _draw(generator, name: str, leaf) -> np.ndarray:
  """He normal kernels, zero biases, unit scales, N(0, 1/d) tables."""
  if name == "kernel":
    scale = np.sqrt(2.0 / max(1, np.prod(leaf.shape[:-1])))
    values = scale * generator.standard_normal(leaf.shape, np.float32)
  elif name.endswith("table"):
    scale = 1.0 / np.sqrt(leaf.shape[-1])
    values = scale * generator.standard_normal(leaf.shape, np.float32)
  elif name == "passport":
    means = generator.uniform(-1, 1, (leaf.shape[0], 1))
    values = means + generator.standard_normal(leaf.shape)
  elif name in ("scale", "var"):
    values = np.ones(leaf.shape)
  elif name in ("bias", "mean"):
    values = np.zeros(leaf.shape)
  else:
    raise ValueError(
      f"no distribution is known for a parameter {name!r} of a module that is "
      "drawn on the host; name it kernel, *table, passport, scale, var, bias "
      "or mean, or derive the module from flax's."
    )
  return np.asarray(values, leaf.dtype)
