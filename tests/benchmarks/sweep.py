"""Five seeds at seven cuts, whole experiments, against PyTorch loops.

Training, MINE at every place, completion with its no-VFL control, the
features-only control. The time of PyTorch is estimated: what a step takes of a
training, of a critic and of a completion, measured in the same process, times
how often it is needed, one after another. What scikit-learn takes is the same
in both and counted in both.
"""

import pathlib
import tempfile
import time

import numpy as np
import torch

import vfl_jax
from vfl_jax import controls
from vfl_jax import tables

CUTS, SEEDS, EPOCHS = range(1, 8), 5, 30
MODELS = ("mlp", "lenet")
FOLDS = 2  # of the choice among completion's variants


def config(name, cut):
  made = vfl_jax.defaults()
  made.name, made.seeds = f"{name}{cut}", SEEDS
  made.model = vfl_jax.config.model(name, cut=cut)
  made.train.epochs = EPOCHS
  made.information.estimators = ("mine",)
  made.information.samples = 1000
  made.compensation = ()
  return made


def ours(name, cuts):
  """`(seconds, seconds of them in scikit-learn, counts)` of all runs."""
  inside, plain = [0.0], controls.features_only

  def timed(*args, **keys):
    start = time.perf_counter()
    try:
      return plain(*args, **keys)
    finally:
      inside[0] += time.perf_counter() - start

  controls.features_only = timed
  counts = {"train": 0, "critic": 0, "frozen": 0, "finetuned": 0}
  try:
    with tempfile.TemporaryDirectory() as folder:
      start = time.perf_counter()
      for cut in cuts:
        made = config(name, cut)
        result = vfl_jax.run(made, pathlib.Path(folder) / str(cut))
        counted(made, result, counts)
      return time.perf_counter() - start, inside[0], counts
  finally:
    controls.features_only = plain


def counted(made, result, counts):
  """What a loop without vectorisation would take one after another."""
  steps = tables.status(result.workdir)["sizes"]["train"] // 64
  counts["train"] += SEEDS * EPOCHS * steps
  table = result.table("information")
  table = table[table["quantity"] == "I(T;Y)"]
  fits = len(table) * (made.information.folds + 1)  # and the floor
  counts["critic"] += fits * made.information.steps
  # two parties, with and without VFL, every fold and then all samples
  trainings = 2 * 2 * SEEDS * (FOLDS + 1) * made.evaluate.attack_steps
  counts["frozen"] += 2 * trainings
  counts["finetuned"] += trainings


def seconds_each(run, times):
  run(max(1, times // 10))
  start = time.perf_counter()
  run(times)
  return (time.perf_counter() - start) / times


def dense(inputs, outputs):
  return (
    torch.nn.Linear(inputs, outputs),
    torch.nn.BatchNorm1d(outputs),
    torch.nn.ReLU(),
  )


def bottom(name):
  """The reference bottom on half a digit, 8 x 4."""
  if name == "mlp":
    return torch.nn.Sequential(
      torch.nn.Flatten(), *dense(32, 128), *dense(128, 64), *dense(64, 64),
      torch.nn.Linear(64, 10),
    )  # fmt: skip
  convolution = lambda i, o: (
    torch.nn.Conv2d(i, o, 5, padding="same"),
    torch.nn.BatchNorm2d(o),
    torch.nn.ReLU(),
    torch.nn.AvgPool2d(2),
  )
  return torch.nn.Sequential(
    *convolution(1, 6), *convolution(6, 16), torch.nn.Flatten(),
    *dense(32, 120), *dense(120, 84), torch.nn.Linear(84, 10),
  )  # fmt: skip


def top():
  return torch.nn.Sequential(
    torch.nn.BatchNorm1d(20), torch.nn.ReLU(), torch.nn.Linear(20, 20),
    *(part for o in (10, 10) for part in (
      torch.nn.BatchNorm1d(20 if o == 10 else o), torch.nn.ReLU(),
      torch.nn.Linear(20, 20),
    )),
    torch.nn.BatchNorm1d(20), torch.nn.ReLU(), torch.nn.Linear(20, 10),
  )  # fmt: skip


def units(name):
  """Seconds of one step of each loop."""
  x = torch.randn(1200, 1, 8, 4)
  y = torch.randint(0, 10, (1200,))
  draw = lambda n: torch.randint(0, 1200, (n,))
  cross = torch.nn.functional.cross_entropy
  parts = [bottom(name), bottom(name), top()]
  rules = [torch.optim.SGD(p.parameters(), 0.05, momentum=0.9) for p in parts]

  def training(times):
    for _ in range(times):
      rows = draw(64)
      h = torch.cat([b(x[rows]) for b in parts[:2]], 1)
      loss = cross(parts[2](h), y[rows])
      for rule in rules:
        rule.zero_grad(set_to_none=True)
      loss.backward()
      for rule in rules:
        rule.step()

  t = torch.randn(1000, 64)
  critic = torch.nn.Sequential(
    torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
  )
  adam = torch.optim.Adam(critic.parameters(), 4e-3)

  def fitting(times):
    for _ in range(times):
      rows = torch.randint(0, 1000, (128,))
      f = critic(t[rows])
      joint = f.gather(1, y[rows][:, None]).mean()
      loss = torch.logsumexp(torch.logsumexp(f, 1), 0) - joint
      adam.zero_grad(set_to_none=True)
      loss.backward()
      adam.step()

  def completing(body, data):
    net = torch.nn.Sequential(body, *head()) if body else head()
    average = [p.detach().clone() for p in net.parameters()]
    rule = torch.optim.Adam(net.parameters(), 2e-3)
    beta = torch.distributions.Beta(0.75, 0.75)

    def loop(times):
      for i in range(times):
        known, other = draw(16), draw(16)
        with torch.no_grad():
          guess = torch.softmax(net(data[other]) / 0.8, 1)
        right = torch.nn.functional.one_hot(y[known], 10).float()
        wanted, both = (
          torch.cat([right, guess]),
          data[torch.cat([known, other])],
        )
        share = beta.sample()
        share = torch.maximum(share, 1 - share)
        order = torch.randperm(32)
        mixed = share * both + (1 - share) * both[order]
        wanted = share * wanted + (1 - share) * wanted[order]
        log_q = torch.log_softmax(net(mixed), 1)
        apart = ((log_q[16:].exp() - wanted[16:]) ** 2).mean()
        loss = i * apart - (wanted[:16] * log_q[:16]).sum(1).mean()
        rule.zero_grad(set_to_none=True)
        loss.backward()
        rule.step()
        with torch.no_grad():
          torch._foreach_lerp_(average, list(net.parameters()), 0.001)

    return loop

  def head():
    return torch.nn.Sequential(
      torch.nn.BatchNorm1d(10), torch.nn.ReLU(), torch.nn.Linear(10, 10)
    )

  return {
    "train": seconds_each(training, 200),
    "critic": seconds_each(fitting, 400),
    "frozen": seconds_each(completing(None, torch.randn(1200, 10)), 300),
    "finetuned": seconds_each(completing(bottom(name), x), 200),
  }


def rows(quick=False):
  """A row per model, and one per loop of the twin."""
  for name in MODELS:
    cuts = list(CUTS)[:1] if quick else CUTS
    taken, learning, counts = ours(name, cuts)
    unit = units(name)
    twin = {k: counts[k] * unit[k] for k in unit}
    for loop, seconds in twin.items():
      yield {
        "part": "sweep",
        "what": f"{name}: PyTorch, {loop}, {counts[loop]:,} steps",
        "size": f"{1000 * unit[loop]:.2f} ms each",
        "twin": seconds,
      }
    total = float(np.sum(list(twin.values()))) + learning
    yield {
      "part": "sweep",
      "what": f"{name}: {SEEDS} seeds, {len(list(cuts))} cuts, everything",
      "size": f"scikit-learn {learning:.0f} s in both",
      "ours": taken,
      "twin": total,
      "ratio": total / taken,
    }
