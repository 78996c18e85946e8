"""Small inputs for every architecture, and how they are cut among parties."""

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import models

CLASSES = 3
BATCH = 6


def image(key, width, rows=BATCH):
  return jax.random.normal(key, (rows, 8, width, 2))


def tokens(key, length, rows=BATCH):
  ids = jax.random.randint(key, (rows, length), 0, 11)
  return ids.at[:, 0].set(1)  # never an empty text


def fields(key, numeric, category, rows=BATCH):
  return {
    "numeric": jax.random.normal(key, (rows, numeric)),
    "category": jax.random.randint(key, (rows, category), 0, 4),
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
  keys = jax.random.split(jax.random.key(7), parties)
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
