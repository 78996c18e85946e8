"""Defences on planted messages, and federations that train under them."""

import jax
import jax.numpy as jnp
import numpy as np
from tests.helpers import examples
from vfl_jax.config import entries
from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.defenses import chain
from vfl_jax.federation import optimizers
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax.runtime import rng


N, BATCH, CLASSES = 48, 12, 4


def normal(shape, seed=0):
  return examples.normal(seed, shape)


def federation(
  names, classes=CLASSES, model="mlp", cut=2, secrets=None, seeds=2
):
  """A tiny training under the named defences: learner, state, arguments."""
  chained = chain.chain(
    [defenses.build(n, **o) for n, o in entries.pieces(names)]
  )
  keywords = chained.configure({"cut": cut, "norm": "batch"})
  built, inputs = examples.build(model, 2, keywords["norm"], classes, N)
  net = split.at(built, keywords["cut"], 2, chained)
  labels = np.arange(N) % classes
  keys = jnp.stack([rng.root(s) for s in range(seeds)])
  targets, codes = jnp.tile(jnp.asarray(labels), (seeds, 1)), ()
  if chained.prepare:
    found = [
      chained.prepare(k, base.Secrets(labels, classes, secrets)) for k in keys
    ]
    targets = jnp.stack([jnp.asarray(p.targets) for p in found])
    codes = jax.tree.map(lambda *a: np.stack(a), *[p.codes for p in found])
  rule = optimizers.build("sgd", learning_rate=0.01, steps=100)
  learner = train.make(
    net,
    optimizers.Optimizers.same(rule, 2),
    batch_size=BATCH,
    steps=N // BATCH,
    epochs=2,
    defense=chained,
  )
  return learner, learner.init(keys, inputs, codes), (inputs, targets, keys)
