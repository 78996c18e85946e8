"""Time and memory against size: exponents that should not pass one.

An epoch of two parties' perceptron under growing samples, parties, layers,
seeds and message widths; MINE under growing layers and samples; clustering of
gradients under growing samples. Memory is what XLA says a program works in.
"""

import time

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

from vfl_jax import attacks
from vfl_jax.evaluation import trials
from vfl_jax.federation import optimizers
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax.information import estimate
from vfl_jax import models
from vfl_jax.results.figures import style
from tests.benchmarks import test_attacks

BATCH, WIDTH = 64, 64
SIZES = {
  "samples": (1000, 2000, 4000, 8000, 16000, 50000),
  "parties": (2, 4, 8, 16, 32, 64),
  "layers": (2, 4, 8, 16, 32),
  "seeds": (1, 2, 4, 8, 16),
  "message width": (16, 64, 256, 1024, 2048),
  "MINE: layers": (4, 8, 16, 32),
  "MINE: samples": (1000, 2000, 4000, 8000),
  "gradient_clustering: samples": (3125, 6250, 12500, 25000, 50000),
}


def epoch(samples=1280, parties=2, layers=3, seeds=1, width=16):
  """`(seconds, bytes)` of an epoch."""
  generator = np.random.default_rng(0)
  x = jnp.asarray(generator.standard_normal((samples, 32)), jnp.float32)
  y = jnp.asarray(generator.integers(0, 10, (seeds, samples)))
  model = models.build(
    "mlp", 10, hidden=(WIDTH,) * layers, embedding=width, top=(20, 10)
  )
  net = split.at(model, model.reference_cut, parties)
  rule = optimizers.build("sgd", learning_rate=0.01, steps=100)
  learner = train.make(
    net,
    optimizers.Optimizers.same(rule, parties),
    batch_size=BATCH,
    steps=samples // BATCH,
  )
  keys = jax.random.split(jax.random.key(0), seeds)
  inputs = (x,) * parties
  state = learner.init(keys, inputs)
  compiled = learner.epoch.lower(state, inputs, y, keys, 0).compile()
  room = compiled.memory_analysis()
  taken = (
    room.argument_size_in_bytes
    + room.output_size_in_bytes
    + room.temp_size_in_bytes
    - room.alias_size_in_bytes
  )
  kept = [state]

  def run():
    kept[0], metrics = learner.epoch(kept[0], inputs, y, keys, 0)
    jax.block_until_ready((kept[0], metrics))

  return fastest(run), taken


def mine(layers=8, samples=2000):
  generator = np.random.default_rng(0)
  t = generator.standard_normal((layers, samples, WIDTH)).astype(np.float32)
  y = generator.integers(0, 10, samples)

  def run():
    estimate.mutual_information(
      jax.random.key(0), t, y, estimator="mine", steps=80
    )

  return fastest(run, rounds=3), float("nan")


def clusters(samples):
  _, seen = test_attacks.view(samples)
  attack = attacks.build("gradient_clustering", budget=1)

  def run():
    trials.infer(attack, jax.random.key(0)[None], seen, "vmap")

  return fastest(run, rounds=3), float("nan")


def fastest(run, rounds=5):
  run()
  taken = []
  for _ in range(rounds):
    start = time.perf_counter()
    run()
    taken.append(time.perf_counter() - start)
  return min(taken)


MEASURES = {
  "samples": lambda n: epoch(samples=n),
  "parties": lambda n: epoch(parties=n),
  "layers": lambda n: epoch(layers=n),
  "seeds": lambda n: epoch(seeds=n),
  "message width": lambda n: epoch(width=n),
  "MINE: layers": lambda n: mine(layers=n),
  "MINE: samples": lambda n: mine(samples=n),
  "gradient_clustering: samples": clusters,
}


def rows(quick=False):
  """A row per size, and one per axis with its exponents."""
  for axis, sizes in SIZES.items():
    found = []
    for size in sizes[:2] if quick else sizes:
      seconds, taken = MEASURES[axis](size)
      found.append((size, seconds, taken))
      yield {
        "part": "growth",
        "what": axis,
        "size": size,
        "ours": seconds,
        "bytes": taken,
      }
    size, seconds, taken = np.array(found).T
    yield {
      "part": "growth",
      "what": axis,
      "size": f"{sizes[0]} to {size[-1]:.0f}",
      "exponent": exponent(size, seconds),
      "exponent_bytes": exponent(size, taken),
    }


def exponent(size, value):
  """Of a power law through all points, by least squares of logarithms."""
  if not np.isfinite(value).all():
    return float("nan")
  return float(np.polyfit(np.log(size), np.log(value), 1)[0])


def draw(frame, path):
  """Times over sizes, each over its first, beside lines of exponent one."""
  frame = frame[(frame["part"] == "growth") & frame["ours"].notna()]
  axes_of = list(dict.fromkeys(frame["what"]))
  with matplotlib.rc_context(style.RC):
    figure, axes = style.subplots(
      2, -(-len(axes_of) // 2), figsize=(11, 5.2), squeeze=False
    )
    for axis, what in zip(axes.flat, axes_of):
      own = frame[frame["what"] == what]
      size = own["size"].astype(float)
      for quantity, colour, label in (
        ("ours", style.COLOURS[0], "time"),
        ("bytes", style.COLOURS[1], "memory"),
      ):
        value = own[quantity]
        if value.isna().any():
          continue
        power = exponent(size.to_numpy(), value.to_numpy())
        axis.loglog(
          size,
          value / value.iloc[0],
          marker="o",
          color=colour,
          label=f"{label}, exponent {power:.2f}",
        )
      axis.loglog(
        size, size / size.iloc[0], ":", color=style.GREY, label="in proportion"
      )
      axis.set_title(what.replace("gradient_clustering", "clustering"))
      axis.legend(fontsize=7)
      axis.minorticks_off()
      axis.set_xticks(
        size, [f"{n:g}" if n < 1e4 else f"{n / 1e3:g}k" for n in size]
      )
      axis.tick_params(axis="x", labelsize=7)
      powers = range(int(np.log2((size / size.iloc[0]).max())) + 1)
      axis.set_yticks([2**i for i in powers], [str(2**i) for i in powers])
    for axis in axes[:, 0]:
      axis.set_ylabel("over the smallest")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
