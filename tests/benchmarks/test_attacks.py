"""Attacks that read each gradient once, on 50,000 samples of ten classes.

  python -m pytest tests/benchmarks/test_attacks.py

Wall time of an attack on one seed, compiled before; memory must not grow with
the square of the samples (a matrix of 50,000 by 50,000 is 20 GB).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import trials

N, WIDTH, CLASSES = 50_000, 64, 10


def view(n=N):
  generator = np.random.default_rng(0)
  labels = generator.integers(0, CLASSES, n)
  centres = generator.standard_normal((CLASSES, WIDTH))
  g = centres[labels] + generator.standard_normal((n, WIDTH))
  known = np.stack([np.flatnonzero(labels == c)[:4] for c in range(CLASSES)])
  seeds = lambda a: jnp.asarray(a)[None]
  return labels, seen.view(
    train=jnp.asarray(g, jnp.float32),
    test=jnp.asarray(g[:1000], jnp.float32),
    train_ids=np.arange(n),
    test_ids=np.arange(1000),
    bottom={"params": {}, "stats": {}},
    gradients={0: seeds(g.astype(np.float32))},
    recorded_rows=np.arange(n),
    aux_rows=seeds(known.ravel()),
    aux_labels=seeds(labels[known.ravel()]),
    public=base.Public(CLASSES, 32, 1, ("planted",), passed_on),
  )


def passed_on(variables, x, train=False, start=0, stop=None):
  """A bottom that passes its features on."""
  del train, start, stop
  return x, variables["stats"]


@pytest.mark.parametrize(
  "name, options",
  [
    ("norm", {}),
    ("direction", {"known": 4}),
    ("hint", {"known": 4}),
    ("similarity", {"known": 4}),
    ("similarity", {"known": 4, "rule": "kmeans"}),
    ("spectral", {}),
    ("gradient_clustering", {}),
  ],
)
def test_fifty_thousand_gradients(benchmark, name, options):
  labels, seen = view()
  attack = attacks.build(name, budget=1, **options)
  key = jax.random.key(0)[None]
  run = lambda: trials.infer(attack, key, seen, "vmap")
  found = benchmark.pedantic(run, warmup_rounds=1, rounds=3)
  value = metrics.score("accuracy", found.train[0], labels)
  benchmark.extra_info["accuracy"] = value
  assert name == "norm" or value > 0.5
