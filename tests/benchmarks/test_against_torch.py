"""mlp and deepfm against plain PyTorch twins, time per step.

  OMP_NUM_THREADS=1 taskset -c 0 python -m pytest \
    tests/benchmarks/test_against_torch.py --benchmark-columns=min,median

Needs the extra [bench]; goal: 1.5 times faster per sample on one core.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax.federation import optimizers as federation_optimizers
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax import models

torch = pytest.importorskip("torch", reason="needs the extra [bench]")

STEPS, BATCH, WIDTH, CLASSES = 50, 128, 392, 10
NUMERIC, CATEGORY, IDS, VECTOR = 6, 10, 2000, 8


def data(name):
  generator = np.random.default_rng(0)
  n = STEPS * BATCH
  y = generator.integers(0, CLASSES, n)
  if name == "mlp":
    return [generator.standard_normal((n, WIDTH)).astype("f") for _ in "ab"], y
  return [
    {
      "numeric": generator.standard_normal((n, NUMERIC)).astype("f"),
      "category": generator.integers(0, IDS, (n, CATEGORY)),
    }
    for _ in "ab"
  ], y


class TorchDeepFM(torch.nn.Module):
  """Bottom of the twin: the same stages as models/deepfm.py."""

  def __init__(self):
    super().__init__()
    self.numeric = torch.nn.Parameter(torch.randn(NUMERIC, VECTOR) * 0.3)
    self.numeric_linear = torch.nn.Parameter(torch.randn(NUMERIC) * 0.3)
    self.category = torch.nn.Embedding(IDS, VECTOR)
    self.category_linear = torch.nn.Embedding(IDS, 1)
    fields = NUMERIC + CATEGORY
    self.deep = torch.nn.Sequential(*dense(fields * VECTOR, 64), *dense(64, 32))
    self.join = torch.nn.Linear(33, CLASSES)

  def forward(self, x):
    numeric, category = x["numeric"], x["category"]
    fields = torch.cat(
      [numeric[..., None] * self.numeric, self.category(category)], 1
    )
    linear = (numeric * self.numeric_linear).sum(1, keepdim=True)
    linear = linear + self.category_linear(category).sum(1)
    pairs = (fields.sum(1) ** 2 - (fields**2).sum(1)).sum(1, keepdim=True)
    deep = self.deep(fields.flatten(1))
    return self.join(torch.cat([deep, linear + 0.5 * pairs], 1))


def dense(inputs, outputs):
  return (
    torch.nn.Linear(inputs, outputs),
    torch.nn.BatchNorm1d(outputs),
    torch.nn.ReLU(),
  )


def twin(name):
  if name == "mlp":
    bottoms = [
      torch.nn.Sequential(
        *dense(WIDTH, 128), *dense(128, 64), *dense(64, 64),
        torch.nn.Linear(64, CLASSES),
      )
      for _ in "ab"
    ]  # fmt: skip
  else:
    bottoms = [TorchDeepFM() for _ in "ab"]
  layers, size = [], 2 * CLASSES
  for width in (2 * CLASSES, CLASSES, CLASSES, CLASSES):
    layers += [
      torch.nn.BatchNorm1d(size),
      torch.nn.ReLU(),
      torch.nn.Linear(size, width),
    ]
    size = width
  return [*bottoms, torch.nn.Sequential(*layers)]


@pytest.mark.parametrize("name", ["mlp", "deepfm"])
def test_jax_epoch(benchmark, name):
  inputs, y = data(name)
  inputs = jax.tree.map(jnp.asarray, tuple(inputs))
  model = models.build(name, CLASSES, vocabulary=(IDS, IDS))
  net = split.at(model, model.reference_cut, 2)
  rule = federation_optimizers.build("sgd", learning_rate=0.01, steps=100)
  learner = train.make(
    net,
    federation_optimizers.Optimizers.same(rule, net.parties),
    batch_size=BATCH,
    steps=STEPS,
  )
  keys, targets = jax.random.key(0)[None], jnp.asarray(y)[None]
  state = [learner.init(keys, inputs)]

  def run():
    state[0], metrics = learner.epoch(state[0], inputs, targets, keys, 0)
    return jax.block_until_ready(metrics)

  run()
  metrics = benchmark.pedantic(run, rounds=15, iterations=1)
  assert np.isfinite(metrics["loss"]).all()


@pytest.mark.parametrize("name", ["mlp", "deepfm"])
def test_torch_epoch(benchmark, name):
  inputs, y = data(name)
  inputs = jax.tree.map(torch.from_numpy, tuple(inputs))
  target = torch.from_numpy(y)
  parts = twin(name)
  optimizers = [
    torch.optim.SGD(p.parameters(), 0.01, momentum=0.9) for p in parts
  ]

  def run():
    order = torch.randperm(len(target)).split(BATCH)
    for rows in order:
      x = jax.tree.map(lambda a, r=rows: a[r], inputs)
      h = [bottom(a) for bottom, a in zip(parts, x)]
      loss = torch.nn.functional.cross_entropy(
        parts[-1](torch.cat(h, 1)), target[rows]
      )
      for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
      loss.backward()
      for optimizer in optimizers:
        optimizer.step()
    return loss

  run()
  loss = benchmark.pedantic(run, rounds=15, iterations=1)
  assert torch.isfinite(loss)
