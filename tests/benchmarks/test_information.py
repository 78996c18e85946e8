"""MINE over many layers against a plain PyTorch twin, and every estimator.

  python -m pytest tests/benchmarks/test_information.py

Twelve layers of width 256, 10,000 samples, batch 512, the same critic, steps
and optimiser; both read the label-indexed critic (the marginal over classes is
exact). Run on one core with `taskset -c 0`. Throughput only: what the numbers
are worth is in docs/results/calibration.csv.
"""

import jax
import numpy as np
import pytest

from vfl_jax import information
from vfl_jax.information import estimate
from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import problems

LAYERS, N, WIDTH, BATCH, HIDDEN = 12, 10_000, 256, 512, 256
STEPS = (
  3 * information_fitting.LOOKS
)  # looks of equal length: both take every step
CLASSES = 10


def problem():
  generator = np.random.default_rng(0)
  y = generator.integers(0, CLASSES, N)
  t = generator.standard_normal((LAYERS, N, WIDTH)).astype(np.float32)
  return t + 0.05 * y[None, :, None].astype(np.float32), y


def test_jax_mine(benchmark):
  t, y = problem()
  bound = information.ESTIMATORS["mine"](CLASSES, hidden=HIDDEN)

  def run():
    return information_fitting.influences(
      jax.random.key(0),
      t,
      np.full(LAYERS, WIDTH),
      y,
      bound=bound,
      folds=1,
      steps=STEPS,
      batch=BATCH,
      rate=1e-3,
    )

  found = benchmark.pedantic(run, warmup_rounds=1, rounds=2)
  assert np.isfinite(found[0]).all()
  benchmark.extra_info["critic_rows"] = LAYERS * 2 * STEPS * BATCH


def test_torch_mine(benchmark):
  torch = pytest.importorskip("torch")
  t, y = problem()
  t, y = torch.from_numpy(t), torch.from_numpy(y)
  fitting, stopping, reporting = information_fitting.parts(N, 0)
  prior = torch.bincount(y, minlength=CLASSES).float() / N
  generator = np.random.default_rng(0)

  def critic():
    hidden = torch.nn.Sequential(
      torch.nn.Linear(WIDTH, HIDDEN),
      torch.nn.ReLU(),
      torch.nn.Linear(HIDDEN, HIDDEN),
      torch.nn.ReLU(),
      torch.nn.Linear(HIDDEN, CLASSES),
    )
    skip = torch.nn.Linear(WIDTH, CLASSES, bias=False)
    return torch.nn.ModuleList([hidden, skip])

  def value(net, rows, layer, labels):
    f = net[0](layer[rows]) + net[1](layer[rows])
    joint = f.gather(1, labels[rows][:, None]).mean()
    ratio = torch.logsumexp(f + prior.log(), 1)
    return joint, torch.logsumexp(ratio, 0) - np.log(len(rows))

  def one(layer, labels):
    net = critic()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    average, best = torch.zeros(()), -np.inf
    for step in range(STEPS):
      rows = torch.from_numpy(generator.choice(fitting, BATCH))
      joint, log_mean = value(net, rows, layer, labels)
      with torch.no_grad():
        average = torch.logaddexp(
          average + np.log(0.99), log_mean - np.log(100)
        )
      loss = torch.exp(log_mean - average) - joint
      optimizer.zero_grad()
      loss.backward()
      optimizer.step()
      if step % max(1, STEPS // information_fitting.LOOKS) == 0:
        with torch.no_grad():
          joint, log_mean = value(
            net, torch.from_numpy(stopping), layer, labels
          )
          best = max(best, float(joint - log_mean))
    with torch.no_grad():
      joint, log_mean = value(net, torch.from_numpy(reporting), layer, labels)
    return float(joint - log_mean)

  def run():
    shuffled = y[torch.randperm(N)]
    return [one(layer, labels) for layer in t for labels in (y, shuffled)]

  found = benchmark.pedantic(run, warmup_rounds=1, rounds=2)
  assert np.isfinite(found).all()
  benchmark.extra_info["critic_rows"] = LAYERS * 2 * STEPS * BATCH


@pytest.mark.parametrize(
  "layers, n, steps",
  [
    *((layers, 4000, 80) for layers in (4, 8, 16)),
    *((8, n, 80) for n in (2000, 8000)),
    *((8, 4000, steps) for steps in (160, 320)),
  ],
)
def test_growth(benchmark, layers, n, steps):
  """Time of MINE against layers, samples and steps."""
  t, y = problem()
  t, y = np.resize(t, (layers, *t.shape[1:]))[:, :n], y[:n]

  def run():
    return estimate.mutual_information(
      jax.random.key(0), t, y, estimator="mine", width=WIDTH, steps=steps
    )

  benchmark.pedantic(run, warmup_rounds=1, rounds=3)


@pytest.mark.parametrize(
  "name", [n for n in information.ESTIMATORS if n != "copula"]
)
def test_every_estimator_under_its_own_rule(benchmark, name):
  """Wall time and error of one estimate of 2,000 samples in 8 columns."""
  p = problems.problem("multimodal", 0, n=2000, d=8, classes=4, level=0.5)
  t = (p.t > 0).astype(np.float32)[:, :3] if name == "plugin" else p.t

  def run():
    return estimate.mutual_information(
      jax.random.key(0), t[None], p.y, estimator=name
    )

  found = benchmark.pedantic(run, warmup_rounds=1, rounds=3)
  benchmark.extra_info["nats"] = float(found.nats[0])
  benchmark.extra_info["truth"] = p.truth
