"""Five seeds at seven cuts, whole experiments, against PyTorch loops.

Training, MINE at every place, completion with its no-VFL control, the ceiling,
the features-only control. Ours is what a study does: as many experiments at a
time as there are cores, in processes of their own, from their start; once with
an empty cache of programs and once with what that has left.

The time of PyTorch is estimated: what a step takes of a training, of a critic,
of a completion and of a ceiling, measured in the same process with one thread
or as many as cores, the better of both, times how often it is needed, one after
another. Nothing else is counted: not scikit-learn, tables, figures, files. On
several cores part of the ratio is that such loops leave all but one idle: hold
the ratios of one core (`taskset -c 0`) beside it.
"""

import multiprocessing
import os
import pathlib
import tempfile
import time

import torch

import vfl_jax
from vfl_jax.config import identity
from vfl_jax.experiments import pool
from vfl_jax.results import status
from vfl_jax.results import tables

CUTS, SEEDS, EPOCHS = range(1, 8), 5, 30
MODELS = ("mlp", "lenet")
LOOPS = ("train", "critic", "frozen", "finetuned", "ceiling")
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


def ours(name, cuts, folder, cache):
  """Seconds of all runs, their workdirs being `folder / CUT`."""
  tasks = [
    pool.Task(identity.as_json(config(name, cut)), folder / str(cut))
    for cut in cuts
  ]
  os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache)
  process = multiprocessing.get_context("spawn").Process(
    target=pool.run, args=(tasks, pool.room(), print)
  )
  start = time.perf_counter()
  process.start()
  process.join()
  seconds = time.perf_counter() - start
  assert all(status.finished(workdir) for _, workdir, _ in tasks)
  return seconds


def counted(made, workdir, counts):
  """What a loop without vectorisation would take one after another."""
  steps = status.status(workdir)["sizes"]["train"] // 64
  counts["train"] += SEEDS * EPOCHS * steps
  table = tables.read(workdir, "information")
  table = table[table["quantity"] == "I(T;Y)"]
  fits = len(table) * (made.information.folds + 1)  # and the floor
  counts["critic"] += fits * made.information.steps
  # two parties, with and without VFL, every fold and then all samples
  trainings = 2 * 2 * SEEDS * (FOLDS + 1) * made.evaluate.attack_steps
  counts["frozen"] += 2 * trainings
  counts["finetuned"] += trainings
  # two parties, two heads, see `controls.ceiling`
  counts["ceiling"] += 2 * SEEDS * 2 * made.evaluate.ceiling_steps


def seconds_each(run, times):
  """Of the better number of threads."""
  found = []
  for threads in {1, len(os.sched_getaffinity(0))}:
    torch.set_num_threads(threads)
    run(max(1, times // 10))
    start = time.perf_counter()
    run(times)
    found.append((time.perf_counter() - start) / times)
  return min(found)


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

  features = torch.randn(1200, 64)
  last = torch.nn.Sequential(
    torch.nn.BatchNorm1d(64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
  )
  adam_last = torch.optim.Adam(last.parameters(), 5e-3)

  def ceiling(times):
    for _ in range(times):
      rows = draw(128)
      loss = cross(last(features[rows]), y[rows])
      adam_last.zero_grad(set_to_none=True)
      loss.backward()
      adam_last.step()

  def head():
    return torch.nn.Sequential(
      torch.nn.BatchNorm1d(10), torch.nn.ReLU(), torch.nn.Linear(10, 10)
    )

  return {
    "train": seconds_each(training, 200),
    "critic": seconds_each(fitting, 400),
    "frozen": seconds_each(completing(None, torch.randn(1200, 10)), 300),
    "finetuned": seconds_each(completing(bottom(name), x), 200),
    "ceiling": seconds_each(ceiling, 400),
  }


def rows(quick=False):
  """A row per loop of the twin, and two per model."""
  for name in MODELS:
    cuts = list(CUTS)[:1] if quick else list(CUTS)
    taken, counts = {}, dict.fromkeys(LOOPS, 0)
    with tempfile.TemporaryDirectory() as place:
      for cache in ("empty", "filled"):
        folder = pathlib.Path(place) / cache
        taken[cache] = ours(name, cuts, folder, pathlib.Path(place) / "cache")
      for cut in cuts:
        counted(config(name, cut), folder / str(cut), counts)
    unit = units(name)
    twin = {loop: counts[loop] * unit[loop] for loop in LOOPS}
    for loop, seconds in twin.items():
      yield {
        "part": "sweep",
        "what": f"{name}: PyTorch, {loop}, {counts[loop]:,} steps",
        "size": f"{1000 * unit[loop]:.2f} ms each",
        "twin": seconds,
      }
    for cache, seconds in taken.items():
      yield {
        "part": "sweep",
        "what": f"{name}: {SEEDS} seeds, {len(cuts)} cuts, everything",
        "size": f"{min(pool.room(), len(cuts))} at a time, cache {cache}",
        "ours": seconds,
        "twin": sum(twin.values()),
        "ratio": sum(twin.values()) / seconds,
      }
