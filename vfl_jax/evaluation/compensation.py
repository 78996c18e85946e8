"""Measures model compensation: how bottoms and top share the work.

There are three interventions on a trained federation, each with its controls:
a top on frozen random bottoms; a fresh top on the trained bottoms; and the
same stages trained centrally, compared with the federation's by probes.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.defenses import base
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import samples
from vfl_jax.federation import optimizers
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import split
from vfl_jax.federation import train as federation_train
from vfl_jax.federation import views
from vfl_jax.information import estimate
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

_ROWS = 500  # rows per block when embedding


def above(net: split.Net) -> split.Net:
  """The top alone, as a net whose inputs are the parties' embeddings."""

  def init(key, embeddings):
    return {
      "bottoms": ({"params": {}, "stats": {}},) * net.parties,
      "top": net.init_top(key, embeddings),
    }

  def bottom(variables, x, train=False, start=0, stop=None):
    del train, start, stop
    return x, variables["stats"]

  return net._replace(cut=0, init=init, bottom=bottom)


def run(
  config: Any,
  setup: federation_setup.Setup,
  f: views.Federation,
  predict: Any,
  advance: Any = lambda what: None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
  """Runs the interventions that `config.compensation` names.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.
    f: the trained federation.
    predict: `predict` of the experiment's learner, see `train.Learner`.
    advance: function called with a few words before each piece of work.

  Returns:
    The rows of two tables. Accuracies on test rows: what, seed, accuracy,
    prior, share (of the federation's gain over the prior). Probes on rows not
    trained on: what, party, family, seed, nats, interval, ceiling, n.
  """
  names = config.compensation
  test = f.dataset.test
  shares = np.bincount(f.dataset.train.labels)
  prior = float(np.mean(test.labels == np.argmax(shares)))
  accuracy = {
    "federation": _accuracy(predict(f.variables, tuple(test.inputs)), test)
  }
  random = untrained_bottoms(f) if f.net.cut else ()
  inside = 0 < f.net.cut < len(f.net.model.stages)
  if "frozen_bottoms" in names and inside:
    advance("a top on frozen random bottoms")
    scores = retrained_tops(config, setup, f, random, "frozen bottoms")
    accuracy["top on random bottoms"] = _accuracy(scores, test)
  if "fresh_top" in names and inside:
    advance("a fresh top on the trained bottoms")
    bottoms = f.variables["bottoms"]
    scores = retrained_tops(config, setup, f, bottoms, "fresh top")
    accuracy["fresh top on trained bottoms"] = _accuracy(scores, test)
  probes: list[dict[str, Any]] = []
  if "central_twin" in names and f.net.cut:
    advance("the same stages trained centrally")
    twin, variables, scores = central_twin(config, setup, f)
    accuracy["central twin"] = _accuracy(scores, test)
    advance("probes")
    probes = _probes(config, f, random, twin, variables)
  rows = [
    {
      "what": what,
      "seed": seed,
      "accuracy": value,
      "prior": prior,
      "share": (value - prior)
      / max(accuracy["federation"][seed] - prior, 1e-9),
    }
    for what, values in accuracy.items()
    for seed, value in enumerate(values)
  ]
  return rows, probes


def _accuracy(scores, examples) -> list[float]:
  return [
    metrics.score("accuracy", s, examples.labels) for s in np.asarray(scores)
  ]


def retrained_tops(
  config: Any,
  setup: federation_setup.Setup,
  f: views.Federation,
  bottoms: Any,
  name: str,
) -> np.ndarray:
  """Trains fresh tops on given, frozen bottoms and predicts the test rows.

  Rows, targets, epochs and optimiser are those of the federation's training.
  Of the defences, only the prepared labels and the guard of the embeddings take
  part. The embeddings of all training rows are held in memory.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.
    f: the trained federation.
    bottoms: variables of every party's bottom, a seed axis first.
    name: name of the random stream.

  Returns:
    Scores of the test rows, `[seeds, n, classes]`.
  """
  learner = _learner(config, above(f.net), setup)
  scores = []
  for seed in range(len(f.keys)):
    mine = trees.take(bottoms, seed)
    on_train, on_test = (
      embed(f.net.bottom, mine, tuple(examples.inputs))
      for examples in (f.dataset.train, f.dataset.test)
    )
    keys = rng.stream(f.keys[seed], name)[None]
    this_seed = slice(seed, seed + 1)
    targets, codes = trees.take((setup.targets, setup.codes), this_seed)
    state = _trained(config, learner, on_train, targets, codes, keys)
    scores.append(np.asarray(learner.predict(state["variables"], on_test))[0])
  return np.stack(scores)


def central_twin(
  config: Any, setup: federation_setup.Setup, f: views.Federation
) -> tuple[split.Net, Any, np.ndarray]:
  """Trains the whole architecture centrally, on all features in one place.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.
    f: the trained federation.

  Returns:
    `(net, variables, test scores)`; the net is cut at 0, so that its top is
    the whole model, and the scores are `[seeds, n, classes]`.
  """
  using = base.Defense(decode=setup.defense.decode)
  net = split.at(f.net.model, 0, f.net.parties, using)
  learner = _learner(config, net, setup)
  keys = jnp.stack([rng.stream(k, "central twin") for k in f.keys])
  state = _trained(
    config, learner, setup.inputs, setup.targets, setup.codes, keys
  )
  inputs = jax.tree.map(jnp.asarray, tuple(f.dataset.test.inputs))
  scores = learner.predict(state["variables"], inputs)
  return net, state["variables"], np.asarray(scores)


def _learner(config, net, setup):
  n = len(setup.targets[0])
  steps = federation_setup.steps_per_epoch(config, n)
  rules = optimizers.rules(config.train, net.parties, steps)
  return federation_train.make(
    net, rules, batch_size=config.train.batch_size, steps=steps
  )


def _trained(config, learner, inputs, targets, codes, keys):
  state = learner.init(keys, inputs, codes)
  for epoch in range(config.train.epochs):
    state, _ = learner.epoch(state, inputs, targets, keys, epoch)
  return state


@functools.partial(jax.jit, static_argnums=0)
def embed(bottom: Any, bottoms: Any, inputs: tuple) -> tuple:
  """Embeddings of the given rows, one tree per party.

  Args:
    bottom: `Net.bottom`.
    bottoms: variables of each party's bottom.
    inputs: features of the rows, one tree per party.
  """
  return tuple(
    axes.chunked(lambda x, v=v: bottom(v, x)[0], x, _ROWS)
    for v, x in zip(bottoms, inputs, strict=True)
  )


def untrained_bottoms(f: views.Federation) -> tuple:
  """Random bottoms of every party, their statistics set from the features."""
  keys = jnp.stack([rng.stream(k, "untrained") for k in f.keys])
  inputs = jax.tree.map(jnp.asarray, tuple(f.dataset.train.inputs))
  return tuple(
    controls.untrained(f.net, party, keys, inputs)
    for party in range(f.net.parties)
  )


def _probes(config, f, random, twin, variables):
  """Usable information at the cut of trained, random and central stages."""
  held, labels = samples.held_out(f, config.information.samples, f.keys[0])
  if estimate.too_few(labels):
    return []
  about, layers = [], []
  for seed in range(len(f.keys)):
    for what, bottoms in (
      ("federation", f.variables["bottoms"]),
      ("untrained", random),
    ):
      h = embed(f.net.bottom, trees.take(bottoms, seed), held)
      vectors = [np.asarray(trees.vectors(embedding)) for embedding in h]
      for party, embedding in enumerate(vectors):
        about.append({"what": what, "party": str(party), "seed": seed})
        layers.append(embedding)
      about.append({"what": what, "party": "joint", "seed": seed})
      layers.append(np.concatenate(vectors, 1))
    merged = _central_layer(
      twin.activations, f.net.cut, trees.take(variables, seed), held
    )
    about.append({"what": "central twin", "party": "joint", "seed": seed})
    layers.append(np.asarray(merged))
  rows = []
  for family in ("linear", "mlp"):
    estimates = estimate.mutual_information(
      rng.stream(f.keys[0], "probes"),
      layers,
      labels,
      estimator=family,
      width=config.information.width,
      steps=config.information.steps,
      batch=config.information.batch,
      folds=config.information.folds,
    )
    rows += [
      {
        **row,
        "family": family,
        "nats": float(estimates.nats[i]),
        "interval": float(estimates.interval[i]),
        "ceiling": estimates.ceiling,
        "n": estimates.n,
      }
      for i, row in enumerate(about)
    ]
  return rows


@functools.partial(jax.jit, static_argnums=(0, 1))
def _central_layer(activations, cut, variables, inputs):
  def block(x):
    return trees.vectors(activations(variables, x)[1][cut])

  return axes.chunked(block, inputs, _ROWS)


COMPENSATION = ("frozen_bottoms", "fresh_top", "central_twin")
