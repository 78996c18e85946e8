"""A defended epoch against the undefended one, in turns.

  python -m pytest tests/benchmarks/test_defenses.py --benchmark-disable -s

prints the median ratio of every defence. Gradient defences may take 1.3 times
the undefended epoch, marvell and ppdl twice.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.defenses import chain
from vfl_jax.federation import optimizers
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax import models

STEPS, BATCH, ROUNDS = 20, 64, 15
SETTINGS = {"mlp, cut 4": ("mlp", 4), "mlp, cut 1": ("mlp", 1)}
SETTINGS["lenet, cut 1"] = ("lenet", 1)


def trained(name, cut, classes, names):
  generator = np.random.default_rng(0)
  n = STEPS * BATCH
  x = jnp.asarray(generator.standard_normal((n, 28, 14, 1)), jnp.float32)
  labels = np.asarray(generator.integers(0, classes, n))
  chained = chain.chain([defenses.build(d) for d in names])
  keywords = chained.configure({"cut": cut, "norm": "batch"})
  model = models.build(name, classes, vocabulary=(0, 0), norm=keywords["norm"])
  net = split.at(model, keywords["cut"], 2, chained)
  rule = optimizers.build("sgd", learning_rate=0.01, steps=100)
  learner = train.make(
    net,
    optimizers.Optimizers.same(rule, 2),
    batch_size=BATCH,
    steps=STEPS,
    defense=chained,
  )
  keys, codes, targets = jax.random.key(0)[None], (), labels
  if chained.prepare:
    found = chained.prepare(keys[0], base.Secrets(labels, classes))
    codes = jax.tree.map(lambda a: np.asarray(a)[None], found.codes)
    targets = found.targets
  state = [learner.init(keys, (x, x), codes)]

  def epoch():
    start = time.perf_counter()
    state[0], metrics = learner.epoch(
      state[0], (x, x), jnp.asarray(targets)[None], keys, 0
    )
    jax.block_until_ready((state[0], metrics))
    return time.perf_counter() - start, metrics

  epoch()
  return epoch


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", [d for d in defenses.DEFENSES if d != "cut"])
def test_a_defended_epoch(name, setting):
  classes = 2 if name == "marvell" else 10
  plain = trained(*SETTINGS[setting], classes, ())
  defended = trained(*SETTINGS[setting], classes, (name,))
  ratios = []
  for _ in range(ROUNDS):
    first, _ = plain()
    second, metrics = defended()
    ratios.append(second / first)
  print(f"\n{setting}: {name} {np.median(ratios):.2f}")
  assert np.isfinite(metrics["loss"]).all()
