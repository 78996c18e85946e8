"""Parties of one shape run as one, and nobody can tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vfl_jax
from tests.helpers import examples
from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.federation import grouping
from vfl_jax.federation import optimizers
from vfl_jax.federation import recording
from vfl_jax.federation import split
from vfl_jax.federation import train
from vfl_jax.runtime import memo


N = 24


def close(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  # what four steps of float32 make of another order of sums; parties confused
  # differ by their initial weights, which are of order one
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), a, b)


def training(name, cut, rule="sgd", averaged=False, defense=None):
  """An epoch of four parties, the second one's block unlike the others'."""
  # a shift before a normalisation has no gradient, and Adam makes steps of none
  norm = "none" if rule == "adam" else "batch"
  defense = defense or base.Defense()
  model, (own, other, *_) = examples.build(name, 4, norm, rows=N)
  inputs = (own, other, jax.tree.map(jnp.flip, own), own)
  net = split.at(model, cut, 4, defense)
  learner = train.make(
    net,
    optimizers.Optimizers.same(
      optimizers.build(rule, learning_rate=0.05, steps=4), 4
    ),
    batch_size=6,
    steps=4,
    defense=defense,
    recorder=recording.Recorder(np.array([1, 5, 20]), 3, averaged),
  )
  keys = jax.vmap(jax.random.key)(jnp.arange(2))
  targets = jnp.tile(examples.labels(N), (2, 1))
  state = learner.init(keys, inputs)
  return learner.recording_epoch, (state, inputs, targets, keys, 0)


@pytest.mark.parametrize(
  "name, cut, options",
  [
    pytest.param("mlp", 0, {}, marks=pytest.mark.slow),
    ("mlp", 2, {"defense": defenses.build("mixup")}),
    pytest.param(
      *("mlp", 3, {"rule": "adam", "averaged": True}), marks=pytest.mark.numbers
    ),
    pytest.param("mlp", 7, {}, marks=pytest.mark.slow),
    ("deepfm", 2, {}),
  ],
)
def test_together_equals_alone(name, cut, options, monkeypatch):
  epoch, arguments = training(name, cut, **options)
  together = epoch(*arguments)
  monkeypatch.setattr(grouping, "find", lambda *own: grouping.none(4))
  memo.forget()
  epoch, arguments = training(name, cut, **options)
  close(together, epoch(*arguments))


NOISE = {"defense": defenses.build("gaussian", scale=0.01)}


@pytest.mark.parametrize(
  "name, options, same",
  [("mlp", {}, False), ("lenet", {}, True), ("mlp", NOISE, True)],
)
def test_some_stay_alone(name, options, same, monkeypatch):
  """Vmapped convolutions would be grouped ones, and slow; so would noise."""

  def text():
    epoch, arguments = training(name, 2, **options)
    return epoch.lower(*arguments).as_text()

  together = text()
  monkeypatch.setattr(grouping, "find", lambda *own: grouping.none(4))
  memo.forget()
  assert (together == text()) == same


def test_what_is_alike():
  x, wide = jnp.ones((4, 2)), jnp.ones((4, 3))
  one, other = (
    optimizers.build("sgd", learning_rate=rate, steps=9) for rate in (0.1, 0.2)
  )
  inputs, rules = (x, wide, x, x), (one, one, one, other)
  found = grouping.find(inputs, rules)
  assert found.groups == ((0, 2), (1,), (3,))
  back = found.unstack(found.stack(inputs))
  jax.tree.map(np.testing.assert_array_equal, back, inputs)
  assert grouping.find((x, x.astype(int))).groups == ((0,), (1,))


def test_equal_settings_are_one_rule():
  """So that parties of an experiment run as one; other settings are others."""
  options = vfl_jax.defaults().train
  options.overrides = ({"name": "party 1", "learning_rate": 0.5},)
  rules = optimizers.rules(options, 4, 3).bottoms
  x = jnp.ones(2)
  assert grouping.find((x,) * 4, rules).groups == ((0, 2, 3), (1,))
