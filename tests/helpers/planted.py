"""Planted victims of attacks, whose leak is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base


C, N, PER_CLASS, BATCH = 5, 600, 4, 32
KEY = jax.random.key(0)


def identity(variables, x, train=False, start=0, stop=None):
  """A bottom that passes its features on."""
  del train, start, stop
  return x, variables["stats"]


def dense(variables, x, train=False, start=0, stop=None):
  """A bottom of one matrix."""
  del train, start, stop
  return x @ variables["params"], variables["stats"]


def view_of(train, test, labels, seed=0, gradients=None, name=""):
  """A view of C classes; gradients `[N, d]` of all its training rows.

  For an attack with needs of its own they come down as it needs them.
  """
  generator = np.random.default_rng(seed)
  rows = np.concatenate(
    [
      generator.choice(np.flatnonzero(labels == c), PER_CLASS, replace=False)
      for c in range(C)
    ]
  )
  view = seen.view(
    train=jnp.asarray(train, jnp.float32),
    test=jnp.asarray(test, jnp.float32),
    train_ids=np.arange(len(train)),
    test_ids=np.arange(len(test)),
    bottom={"params": {}, "stats": {}},
    gradients={} if gradients is None else {0: jnp.asarray(gradients)},
    recorded_rows=np.arange(0 if gradients is None else len(gradients)),
    aux_rows=jnp.asarray(rows),
    aux_labels=jnp.asarray(labels[rows]),
    public=base.Public(C, BATCH, 1, ("planted",), identity),
  )
  if gradients is None:
    return view
  if name == "batch_inversion":
    return averaged(view, gradients)
  if name == "embedding_swap":
    return swapped(view, labels, gradients)
  return seen.replaced(view, embeddings={0: view.shared.train[:, :C]})


def victim(labels, gradients=None, train=None, per_class=2, prior=None):
  """A view in which the first samples of each class are known.

  Gradients are those of one epoch, or a dict by epoch.
  """
  classes, n = int(labels.max()) + 1, len(labels)
  rows = np.concatenate(
    [np.flatnonzero(labels == c)[:per_class] for c in range(classes)]
  )
  by_epoch = gradients if isinstance(gradients, dict) else {0: gradients}
  train = np.zeros((n, 1)) if train is None else train
  return seen.view(
    train=np.asarray(train, np.float32),
    test=np.asarray(train[: n // 2], np.float32),
    train_ids=np.arange(n),
    test_ids=np.arange(n // 2),
    bottom={"params": {}, "stats": {}},
    gradients={
      epoch: jax.tree.map(lambda a: np.asarray(a, np.float32), g)
      for epoch, g in by_epoch.items()
      if g is not None
    },
    recorded_rows=np.arange(n),
    aux_rows=rows,
    aux_labels=labels[rows],
    public=base.Public(
      classes, 32, 1, ("planted",), identity, label_prior=prior
    ),
  )


def averaged(view, gradients):
  """Every row a batch of its own, a matrix its bottom."""
  x = np.asarray(view.shared.train)
  weights = np.eye(x.shape[1], C, dtype=np.float32)
  g = gradients / np.abs(gradients).max(1, keepdims=True) * (1 - 1 / C)
  kept = base.Averages(
    jnp.asarray(x[:, :, None] * g[:, None, :]),
    {"params": jnp.tile(weights, (N, 1, 1)), "stats": {}},
    jnp.arange(N)[:, None],
  )
  return seen.replaced(
    view,
    averages={0: kept},
    public=view.public._replace(bottom=dense, batch_size=1),
  )


def swapped(view, labels, gradients):
  """As many turns as the attack asks for.

  Embeddings in the place of classes: what is sent is the class it is of, and
  the gradient is small where that is the row's own (noise says nothing).
  """
  attack = build("embedding_swap", 1)
  told = np.allclose(gradients.sum(1), 0, atol=1e-5)
  generator = np.random.default_rng(1)
  by_turn, classes = {}, jnp.arange(C)
  for turn in range(attack.turns(C)):
    sent = attack.send(jnp.asarray(labels), classes, jnp.arange(N), turn)
    size = 0.1 + (np.asarray(sent) != labels)
    if not told:
      size = generator.random(N)
    by_turn[turn] = jnp.asarray(size[:, None], jnp.float32)
  return seen.replaced(view, gradients=by_turn)


def truth(seed=0):
  generator = np.random.default_rng(100 + seed)
  return generator.integers(0, C, N), generator.integers(0, C, N // 2)


def build(name, steps):
  return attacks.build(name, budget=steps)


def told(labels):
  """Gradients of a model that knows nothing; of each class another size."""
  wrong = 1 / C - np.eye(C, dtype=np.float32)[labels]
  return wrong * (1 + labels[:, None]) / BATCH


def infer(attack, view, key=KEY):
  """What the attack answers, compiled where it can be."""
  if not attack.compiled:
    halves = jax.tree.map(np.asarray, view[1:])
    return attack.infer(key, base.View(view.public, *halves))
  return _program(attack.infer, view.public)(key, *view[1:])


@functools.lru_cache
def _program(infer, public):
  return jax.jit(
    lambda key, shared, trial: infer(key, base.View(public, shared, trial))
  )
