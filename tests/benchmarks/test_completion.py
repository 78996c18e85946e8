"""An iteration of passive completion against a PyTorch twin; seeds at once.

  python -m pytest tests/benchmarks/test_completion.py \
    --benchmark-columns=min,median

MixMatch at batch 16 on the whole bottom and its head, the loop of the published
code: a guess for the unlabelled half, mixing, two losses, Adam, an average of
the weights. On one core with `taskset -c 0` and OMP_NUM_THREADS=1. Divide by
`ITERATIONS`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.evaluation import trials
from vfl_jax.federation import split
from vfl_jax import models
from vfl_jax.runtime import trees

torch = pytest.importorskip("torch", reason="needs the extra [bench]")

# few rows: what is predicted afterwards is no part of an iteration
BATCH, CLASSES, ROWS, PER_CLASS = 16, 10, 200, 4
ITERATIONS = {"mlp": 1000, "resnet20": 60}
SHAPES = {"mlp": (392,), "resnet20": (32, 16, 3)}


def view(name, seeds=1):
  generator = np.random.default_rng(0)
  y = np.sort(generator.integers(0, CLASSES, ROWS))
  x = generator.standard_normal((ROWS, *SHAPES[name])).astype(np.float32)
  model = models.build(name, CLASSES, vocabulary=(0, 0))
  net = split.at(model, model.reference_cut, 2)
  drawn = [net.init(jax.random.key(s), (x[:2], x[:2])) for s in range(seeds)]
  known = np.concatenate(
    [np.flatnonzero(y == c)[:PER_CLASS] for c in range(CLASSES)]
  )
  every = lambda a: np.stack([a] * seeds)
  return seen.view(
    train=jnp.asarray(x),
    test=jnp.asarray(x[:10]),
    train_ids=np.arange(ROWS),
    test_ids=np.arange(10),
    bottom=jax.tree.map(
      lambda *a: jnp.asarray(np.stack(a)), *[d["bottoms"][0] for d in drawn]
    ),
    gradients={},
    recorded_rows=np.arange(0),
    aux_rows=every(known),
    aux_labels=every(y[known]),
    public=base.Public(
      CLASSES,
      32,
      net.cut,
      tuple(s.name for s in model.stages),
      net.bottom,
    ),
  )


def completion(steps):
  return attacks.build(
    "passive_completion",
    steps=steps,
    variants=(("finetuned", 1, 1.0),),
    folds=2,
  )


def fewer(victim):
  """One label per class: nothing is held out, so that one training is run."""
  first = np.arange(0, PER_CLASS * CLASSES, PER_CLASS)
  trial = victim.trial
  return seen.replaced(
    victim,
    aux_rows=trial.aux_rows[:, first],
    aux_labels=trial.aux_labels[:, first],
  )


@pytest.mark.parametrize("name", ITERATIONS)
def test_jax_iterations(benchmark, name):
  victim, attack = fewer(view(name)), completion(ITERATIONS[name])
  key = jax.random.key(0)[None]
  run = lambda: trials.infer(attack, key, victim, "map")
  found = benchmark.pedantic(run, warmup_rounds=1, rounds=3)
  assert np.isfinite(found.test).all()


def dense(inputs, outputs):
  return (
    torch.nn.Linear(inputs, outputs),
    torch.nn.BatchNorm1d(outputs),
    torch.nn.ReLU(),
  )


class Block(torch.nn.Module):
  """A residual block as in models/resnet.py, shortcuts by zeros."""

  def __init__(self, inputs, outputs, stride):
    super().__init__()
    conv = lambda i, o, s: torch.nn.Conv2d(i, o, 3, s, 1, bias=False)
    self.body = torch.nn.Sequential(
      conv(inputs, outputs, stride),
      torch.nn.BatchNorm2d(outputs),
      torch.nn.ReLU(),
      conv(outputs, outputs, 1),
      torch.nn.BatchNorm2d(outputs),
    )
    self.stride, self.more = stride, outputs - inputs

  def forward(self, x):
    y = self.body(x)
    if self.stride > 1 or self.more:
      x = x[:, :, :: self.stride, :: self.stride]
      x = torch.nn.functional.pad(x, (0, 0, 0, 0, 0, self.more))
    return torch.relu(x + y)


def twin(name):
  if name == "mlp":
    return torch.nn.Sequential(
      *dense(392, 128), *dense(128, 64), *dense(64, 64),
      torch.nn.Linear(64, CLASSES),
    )  # fmt: skip
  blocks, size = [], 16
  for outputs, stride in ((16, 1), (32, 2), (64, 2)):
    for i in range(3):
      blocks.append(Block(size, outputs, stride if not i else 1))
      size = outputs
  return torch.nn.Sequential(
    torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False),
    torch.nn.BatchNorm2d(16),
    torch.nn.ReLU(),
    *blocks,
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(64, CLASSES),
  )


@pytest.mark.parametrize(
  "name, last", [("mlp", False), ("resnet20", False), ("resnet20", True)]
)
def test_torch_iterations(benchmark, name, last):
  """`last`: channels last in memory, the faster layout on most machines."""
  generator = np.random.default_rng(0)
  x = generator.standard_normal((ROWS, *SHAPES[name])).astype(np.float32)
  x = torch.from_numpy(np.moveaxis(x, -1, 1) if x.ndim == 4 else x)
  y = torch.arange(ROWS) % CLASSES
  net = torch.nn.Sequential(
    twin(name),
    torch.nn.BatchNorm1d(CLASSES),
    torch.nn.ReLU(),
    torch.nn.Linear(CLASSES, CLASSES),
  )
  if last:
    x = x.contiguous(memory_format=torch.channels_last)
    net = net.to(memory_format=torch.channels_last)
  average = [p.detach().clone() for p in net.parameters()]
  optimizer = torch.optim.Adam(net.parameters(), 2e-3)
  beta = torch.distributions.Beta(0.75, 0.75)
  steps = ITERATIONS[name]

  def run():
    for i in range(steps):
      known = torch.randint(0, CLASSES, (BATCH,))
      other = torch.randint(CLASSES, ROWS, (BATCH,))
      with torch.no_grad():
        guess = torch.softmax(net(x[other]) / 0.8, 1)
      wanted = torch.cat(
        [torch.nn.functional.one_hot(y[known], CLASSES).float(), guess]
      )
      share = beta.sample()
      share = torch.maximum(share, 1 - share)
      order = torch.randperm(2 * BATCH)
      both = torch.cat([x[known], x[other]])
      mixed = share * both + (1 - share) * both[order]
      wanted = share * wanted + (1 - share) * wanted[order]
      log_q = torch.log_softmax(net(mixed), 1)
      supervised = -(wanted[:BATCH] * log_q[:BATCH]).sum(1).mean()
      apart = ((log_q[BATCH:].exp() - wanted[BATCH:]) ** 2).mean()
      loss = supervised + 50 * i / steps * apart
      optimizer.zero_grad(set_to_none=True)
      loss.backward()
      optimizer.step()
      with torch.no_grad():
        torch._foreach_lerp_(average, list(net.parameters()), 0.001)
    return loss

  loss = benchmark.pedantic(run, warmup_rounds=1, rounds=3)
  assert torch.isfinite(loss)


@pytest.mark.parametrize("how", ["one program", "one after another"])
@pytest.mark.parametrize("warm", [True, False])
def test_five_seeds(benchmark, how, warm):
  """The whole attack (variants, cross-validation) of five seeds on an mlp."""
  victims = view("mlp", seeds=5)
  attack = completion(300)
  keys = jnp.stack([jax.random.key(s) for s in range(5)])

  def run():
    if not warm:
      jax.clear_caches()
      trials._compiled.cache_clear()
    if how == "one program":
      return trials.infer(attack, keys, victims, "vmap")
    found = None
    for seed in range(5):
      one = trees.take(victims.trial, slice(seed, seed + 1))
      own = victims._replace(trial=one)
      if not warm:  # as five processes would
        jax.clear_caches()
        trials._compiled.cache_clear()
      found = trials.infer(attack, keys[seed : seed + 1], own, "vmap")
    return found

  found = benchmark.pedantic(run, warmup_rounds=int(warm), rounds=2)
  assert np.isfinite(found.test).all()
