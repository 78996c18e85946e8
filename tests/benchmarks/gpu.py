"""What an accelerator gives: Fu et al.'s CIFAR-10 setting, seeds, probes.

Beside them what a matrix product and a copy reach on the same card. Aims: 100
epochs of training under 60 s, eight seeds in less than three times the time of
one. On a CPU sizes are cut: it then shows only that the script runs.
"""

import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

import vfl_jax
from vfl_jax.federation import optimizers
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax.information import estimate
from vfl_jax import models

EPOCHS, BATCH = 100, 128
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")


def seconds(run, rounds=3):
  jax.block_until_ready(run())
  taken = []
  for _ in range(rounds):
    start = time.perf_counter()
    jax.block_until_ready(run())
    taken.append(time.perf_counter() - start)
  return min(taken)


def row(what, **values):
  return {"part": "gpu", "what": what, **values}


def peaks(size, numbers):
  """FLOP/s of a product of `size` rows, bytes/s of a copy of `numbers`."""
  a = jnp.ones((size, size), jnp.float32)
  products = {}
  for precision in PRECISIONS:
    multiply = jax.jit(lambda a, p=precision: jnp.dot(a, a, precision=p))
    products[precision] = 2 * size**3 / seconds(lambda f=multiply: f(a))
  copy = jax.jit(lambda a: a + 1.0)
  line = jnp.ones(numbers, jnp.float32)
  return products, 2 * line.nbytes / seconds(lambda: copy(line))


def training(name, rows, seeds, rounds=3):
  """Seconds of an epoch of a model with two bottoms."""
  generator = np.random.default_rng(0)
  x = jnp.asarray(generator.standard_normal((rows, 32, 16, 3)), jnp.float32)
  y = jnp.asarray(generator.integers(0, 10, (seeds, rows)))
  model = models.build(name, 10)
  net = split.at(model, model.reference_cut, 2)
  rule = optimizers.build("sgd", learning_rate=0.1, steps=100)
  learner = train.make(
    net,
    optimizers.Optimizers.same(rule, 2),
    batch_size=BATCH,
    steps=rows // BATCH,
  )
  keys = jax.random.split(jax.random.key(0), seeds)
  state = [learner.init(keys, (x, x))]
  arguments = ((x, x), y, keys, 0)

  def epoch():
    state[0], metrics = learner.epoch(state[0], *arguments)
    return metrics

  return seconds(epoch, rounds)


def probe(layers, samples):
  generator = np.random.default_rng(0)
  t = generator.standard_normal((layers, samples, 64)).astype(np.float32)
  y = generator.integers(0, 10, samples)
  return seconds(
    lambda: (
      estimate.mutual_information(
        jax.random.key(0), t, y, estimator="mine", steps=400
      ).nats
    ),
    rounds=1,
  )


def precise(precision, small):
  """Accuracy and estimates of one experiment under a precision."""
  config = vfl_jax.defaults()
  config.seeds, config.precision = 3, precision
  config.attacks, config.compensation = (), ()
  config.information.estimators = ("mine",)
  config.information.samples = 200 if small else 1200
  config.train.epochs = 2 if small else 30
  with tempfile.TemporaryDirectory() as folder:
    result = vfl_jax.run(config, folder)
    main = result.table("main").query("rows == 'test' and metric == 'accuracy'")
    found = result.table("information")["nats"].to_numpy()
  return float(main["mean"].iloc[0]), found


def rows(quick=False):
  """The measurements; small ones where there is no accelerator."""
  small = quick or jax.default_backend() == "cpu"
  products, wire = peaks(512 if small else 8192, 2 ** (20 if small else 30))
  for precision, rate in products.items():
    yield row(f"matrix product, {precision}", size="TFLOP/s", ours=rate / 1e12)
  yield row("copy", size="GB/s", ours=wire / 1e9)
  samples = BATCH if small else 390 * BATCH
  rounds, several = (1, 2) if small else (3, 8)
  for precision in PRECISIONS[:2]:  # what experiments train in, and XLA's own
    with jax.default_matmul_precision(precision):
      one = training("resnet20", samples, 1, rounds)
      yield row(
        f"resnet20 x 2, {precision}, {EPOCHS} epochs of {samples} rows",
        size="aim: 60",
        ours=EPOCHS * one,
      )
      more = training("resnet20", samples, several, rounds)
      yield row(
        f"resnet20 x 2, {precision}, "
        f"{'two' if small else 'eight'} seeds over one",
        size="aim: 3",
        ratio=more / one,
      )
  for name, numbers in (("lenet", (1, several)), ("mlp", (1, several, 64))):
    with jax.default_matmul_precision(PRECISIONS[0]):
      for seeds in numbers:
        taken = training(name, samples, seeds, rounds)
        yield row(
          f"{name} x 2, float32, a step of batch {BATCH}",
          size=f"{seeds} seed{'s' * (seeds > 1)}",
          ours=taken / (samples // BATCH),
        )
  layers = 8 * (2 if small else 24)
  yield row(
    f"MINE, {layers} layers",
    size="400 steps",
    ours=probe(layers, 500 if small else 10_000),
  )
  usual = None
  for precision in PRECISIONS:
    accuracy, found = precise(precision, small)
    usual = found if usual is None else usual
    yield row(
      f"default experiment, {precision}",
      size=f"largest change of an estimate {np.abs(found - usual).max():.3f} "
      "nats",
      ours=accuracy,
    )
