"""An epoch in one program against the same steps outside a loop.

  python -m pytest tests/benchmarks --benchmark-group-by=param:name \
    --benchmark-columns=min,median

The compiled epoch may take at most 1.1 times the steps called one by one from
Python with plain convolutions (whose gradients are slow only inside loops).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax.defenses import base
from vfl_jax.federation import optimizers
from vfl_jax.federation import protocol
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax import models
from vfl_jax.models import convolution

STEPS, BATCH = 6, 64
SHAPES = {
  "mlp": (28, 14, 1),
  "lenet": (28, 14, 1),
  "vgg": (32, 16, 3),
  "resnet20": (32, 16, 3),
  "transformer": (16,),
  "deepfm": None,
}
OPTIONS = {"vgg": {"channels": (16, 32, 64)}}


def inputs_of(name):
  generator = np.random.default_rng(0)
  n = STEPS * BATCH
  if name == "transformer":
    one = jnp.asarray(generator.integers(1, 500, (n, 16)))
  elif name == "deepfm":
    one = {
      "numeric": jnp.asarray(generator.standard_normal((n, 10)), jnp.float32),
      "category": jnp.asarray(generator.integers(0, 500, (n, 8))),
    }
  else:
    one = jnp.asarray(
      generator.standard_normal((n, *SHAPES[name])), jnp.float32
    )
  return (one, one), jnp.asarray(generator.integers(0, 10, (1, n)))


def build(name):
  inputs, targets = inputs_of(name)
  model = models.build(name, 10, vocabulary=(500, 500), **OPTIONS.get(name, {}))
  net = split.at(model, model.reference_cut, 2)
  rule = optimizers.build("sgd", learning_rate=0.01, steps=100)
  rules = optimizers.Optimizers.same(rule, net.parties)
  learner = train.make(net, rules, batch_size=BATCH, steps=STEPS)
  keys = jax.random.key(0)[None]
  return net, rules, learner, inputs, targets, keys


@pytest.mark.parametrize("name", SHAPES)
def test_epoch_in_one_program(benchmark, name):
  _, _, learner, inputs, targets, keys = build(name)
  state = [learner.init(keys, inputs)]

  def run():
    state[0], metrics = learner.epoch(state[0], inputs, targets, keys, 0)
    return jax.block_until_ready(metrics)

  run()
  metrics = benchmark.pedantic(run, rounds=7, iterations=1)
  assert np.isfinite(metrics["loss"]).all()


@pytest.mark.parametrize("name", SHAPES)
def test_same_steps_outside_a_loop(benchmark, name, monkeypatch):
  plain = convolution.conv
  monkeypatch.setattr(
    convolution, "conv", lambda x, k, s=1: plain(x, k, s, "plain")
  )
  net, rules, learner, inputs, targets, keys = build(name)
  stacked = learner.init(keys, inputs)

  @jax.jit
  def step(state, x, y):
    return protocol.step(net, rules, base.Defense(), state, x, y)[:2]

  blocks = [slice(i * BATCH, (i + 1) * BATCH) for i in range(STEPS)]
  batches = [
    (jax.tree.map(lambda a, b=b: a[b], inputs), targets[0][b]) for b in blocks
  ]
  state = [jax.tree.map(lambda a: a[0], stacked)]

  def run():
    for x, y in batches:
      state[0], metrics = step(state[0], x, y)
    return jax.block_until_ready(metrics)

  run()
  metrics = benchmark.pedantic(run, rounds=7, iterations=1)
  assert np.isfinite(metrics["loss"])
