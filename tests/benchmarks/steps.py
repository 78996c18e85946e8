"""A step of training two parties' networks, against PyTorch twins.

The twin is the better of two memory layouts, on as many threads as it is given
cores. Batch 128, SGD with momentum; images of 28 x 14 x 1 and 32 x 16 x 3.
"""

import os
import time

import jax
import jax.numpy as jnp
import numpy as np
import torch

from tests.benchmarks import test_completion
from vfl_jax.federation import optimizers
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax import models

BATCH, ROUNDS = 128, 5
SHAPES = {
  "mlp": ((28, 14, 1), 40),
  "lenet": ((28, 14, 1), 10),
  "resnet20": ((32, 16, 3), 12),
}


def ours(name, shape, steps):
  """Runs so many steps."""
  generator = np.random.default_rng(0)
  rows = steps * BATCH
  x = jnp.asarray(generator.standard_normal((rows, *shape)), jnp.float32)
  y = jnp.asarray(generator.integers(0, 10, (1, rows)))
  model = models.build(name, 10)
  net = split.at(model, model.reference_cut, 2)
  rule = optimizers.build("sgd", learning_rate=0.01, steps=100)
  learner = train.make(
    net, optimizers.Optimizers.same(rule, 2), batch_size=BATCH, steps=steps
  )
  keys = jax.random.key(0)[None]
  state = [learner.init(keys, (x, x))]

  def run():
    state[0], metrics = learner.epoch(state[0], (x, x), y, keys, 0)
    jax.block_until_ready((state[0], metrics))

  return run


def bottom(name, shape):
  if name == "resnet20":
    return test_completion.twin("resnet20")
  if name == "mlp":
    body = test_completion.twin("mlp")
    return torch.nn.Sequential(torch.nn.Flatten(), body)
  convolution = lambda i, o: (
    torch.nn.Conv2d(i, o, 5, padding="same"),
    torch.nn.BatchNorm2d(o),
    torch.nn.ReLU(),
    torch.nn.AvgPool2d(2),
  )
  wide = 16 * (shape[0] // 4) * (shape[1] // 4)
  return torch.nn.Sequential(
    *convolution(1, 6), *convolution(6, 16), torch.nn.Flatten(),
    *test_completion.dense(wide, 120), *test_completion.dense(120, 84),
    torch.nn.Linear(84, 10),
  )  # fmt: skip


def twin(name, shape, steps, last):
  layout = torch.channels_last if last else torch.contiguous_format
  parts = [bottom(name, shape).to(memory_format=layout) for _ in "ab"]
  top, size = [], 20
  for width in (20, 10, 10, 10):
    top += [
      torch.nn.BatchNorm1d(size),
      torch.nn.ReLU(),
      torch.nn.Linear(size, width),
    ]
    size = width
  parts.append(torch.nn.Sequential(*top))
  rules = [torch.optim.SGD(p.parameters(), 0.01, momentum=0.9) for p in parts]
  x = torch.randn(steps * BATCH, shape[2], *shape[:2])
  x = x.contiguous(memory_format=layout)
  y = torch.randint(0, 10, (len(x),))

  def run():
    for rows in torch.randperm(len(x)).split(BATCH):
      h = torch.cat([b(x[rows]) for b in parts[:2]], 1)
      loss = torch.nn.functional.cross_entropy(parts[2](h), y[rows])
      for rule in rules:
        rule.zero_grad(set_to_none=True)
      loss.backward()
      for rule in rules:
        rule.step()

  return run


def rows(quick=False):
  """A row per network: seconds of a step, medians of turns."""
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  for name, (shape, steps) in SHAPES.items():
    steps = 1 if quick else steps
    runs = {
      "ours": ours(name, shape, steps),
      "twin": twin(name, shape, steps, False),
      "last": twin(name, shape, steps, True),
    }
    taken = {key: [] for key in runs}
    for run in runs.values():
      run()
    for _ in range(1 if quick else ROUNDS):
      for key, run in runs.items():
        time.sleep(0.3)  # threads of who was before turn in circles for a while
        start = time.perf_counter()
        run()
        taken[key].append((time.perf_counter() - start) / steps)
    found = {key: float(np.median(v)) for key, v in taken.items()}
    best = min(found["twin"], found["last"])
    yield {
      "part": "steps",
      "what": f"a step of {name}, two parties, batch {BATCH}",
      "size": f"{torch.get_num_threads()} thread(s)",
      "ours": found["ours"],
      "twin": best,
      "ratio": best / found["ours"],
    }
