"""Small inputs for every architecture, and how they are cut among parties."""

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import models

CLASSES = 3
BATCH = 6


def normal(seed, shape):
  """Standard normal numbers of numpy: no shape compiles anything."""
  return jnp.asarray(np.random.default_rng(seed).normal(size=shape), "float32")


def image(seed, width, rows=BATCH):
  return normal(seed, (rows, 8, width, 2))


def tokens(seed, length, rows=BATCH):
  ids = np.random.default_rng(seed).integers(0, 11, (rows, length), np.int32)
  ids[:, 0] = 1  # never an empty text
  return jnp.asarray(ids)


def fields(seed, numeric, category, rows=BATCH):
  ids = np.random.default_rng(seed).integers(0, 4, (rows, category), np.int32)
  return {
    "numeric": normal(seed, (rows, numeric)),
    "category": jnp.asarray(ids),
  }


SMALL = {
  "mlp": dict(hidden=(5, 4)),
  "lenet": dict(channels=(3, 4), hidden=(7,)),
  "vgg": dict(channels=(3, 4), hidden=(5,)),
  "resnet20": dict(width=4),
  "resnet56": dict(width=2),
  "resnet18": dict(width=4),
  "transformer": dict(width=8, heads=2, depth=2),
  "deepfm": dict(width=3, hidden=(5,)),
}


def build(name, parties=2, norm="batch", classes=CLASSES, rows=BATCH):
  """`(model, inputs)` with blocks of unequal width."""
  keys = range(7, 7 + parties)
  widths = [4, 2, 3, 5][:parties]
  if name == "transformer":
    inputs = tuple(tokens(k, w, rows) for k, w in zip(keys, widths))
    vocabulary = (11,) * parties
  elif name == "deepfm":
    inputs = tuple(
      fields(k, w, c, rows) for k, w, c in zip(keys, widths, (2, 0, 1, 3))
    )
    vocabulary = (4,) * parties
  else:
    inputs = tuple(image(k, w, rows) for k, w in zip(keys, widths))
    vocabulary = (0,) * parties
  model = models.build(
    name, classes, norm=norm, vocabulary=vocabulary, **SMALL[name]
  )
  return model, inputs


def variables_of(net, inputs, seed=0):
  return jax.tree.map(jnp.asarray, net.init(jax.random.key(seed), inputs))


def labels(n=BATCH, classes=CLASSES):
  return jnp.asarray(np.arange(n) % classes)
