"""Training: recorded messages, optimisers, defences on the messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import examples
from vfl_jax.defenses import base
from vfl_jax.federation import optimizers
from vfl_jax.federation import protocol
from vfl_jax.federation import recording
from vfl_jax.federation import split
from vfl_jax.federation import loop
from vfl_jax.federation import train
from vfl_jax.runtime import compilation

N = 24


def everywhere(net):
  rule = optimizers.build("sgd", learning_rate=0.05, steps=100)
  return optimizers.Optimizers.same(rule, net.parties)


def setting(name="mlp", cut=2, parties=2):
  model, _ = examples.build(name, parties)
  shift = examples.labels(N)[:, None, None, None]  # the classes are apart
  inputs = tuple(
    shift + examples.normal(3 + k, (N, 8, 3, 2)) for k in range(parties)
  )
  net = split.at(model, cut, parties)
  learner = train.make(
    net,
    everywhere(net),
    batch_size=6,
    steps=4,
    recorder=recording.Recorder(np.array([1, 5, 20]), parties - 1),
  )
  seeds = jax.vmap(jax.random.key)(jnp.arange(2))
  targets = jnp.tile(examples.labels(N), (2, 1))
  return net, learner, inputs, targets, seeds


@pytest.mark.parametrize("name", ["mlp", "lenet"])  # vmapped and in sequence
def test_an_epoch_learns_and_seeds_differ(name):
  _, learner, inputs, targets, keys = setting(name)
  state = learner.init(keys, inputs)
  losses = []
  for epoch in range(30):
    state, metrics = learner.epoch(state, inputs, targets, keys, epoch)
    losses.append(np.asarray(metrics["loss"]))
  assert (losses[-1] < 0.7 * losses[0]).all()
  assert losses[0][0] != losses[0][1]
  logits = learner.predict(state["variables"], inputs)
  assert logits.shape == (2, N, examples.CLASSES)


def test_seeds_together_equal_a_seed_alone():
  _, learner, inputs, targets, keys = setting()
  both = learner.init(keys, inputs)
  alone = learner.init(keys[1:], inputs)
  both, _ = learner.epoch(both, inputs, targets, keys, 0)
  alone, _ = learner.epoch(alone, inputs, targets[1:], keys[1:], 0)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a[1], b[0], atol=1e-6),
    both["variables"],
    alone["variables"],
  )


def test_every_party_has_a_rule_of_its_own():
  """A party at rest stays; the others' first steps are as their rates."""

  def plain(rate):
    return optimizers.build("sgd", learning_rate=rate, steps=9, momentum=0.0)

  net, _, inputs, targets, keys = setting()
  variables = jax.tree.map(jnp.asarray, net.init(keys[0], inputs))

  def moved(*three):
    rules = optimizers.Optimizers(three[:2], three[2])
    state = {
      "variables": variables,
      "optimizer": rules.init(variables),
      "defense": (),
    }
    state, _, _ = protocol.step(
      net, rules, base.Defense(), state, inputs, targets[0]
    )
    holders = [
      *zip(state["variables"]["bottoms"], variables["bottoms"]),
      (state["variables"]["top"], variables["top"]),
    ]
    return [
      jax.tree.map(jnp.subtract, new["params"], old["params"])
      for new, old in holders
    ]

  ones = moved(plain(0.01), plain(0.01), plain(0.01))
  mixed = moved(plain(0.0), plain(0.02), plain(0.03))
  for one, other, factor in zip(ones, mixed, (0, 2, 3), strict=True):
    jax.tree.map(
      lambda a, b, f=factor: np.testing.assert_allclose(f * a, b, atol=1e-6),
      one,
      other,
    )


def test_recorded_gradients_are_what_was_sent():
  """One batch that holds everything: rows recorded equal a direct vjp."""
  net, _, inputs, targets, keys = setting()
  learner = train.make(
    net,
    everywhere(net),
    batch_size=N,
    steps=1,
    recorder=recording.Recorder(np.array([1, 5, 20]), 1),
  )
  state = learner.init(keys, inputs)
  shapes = jax.eval_shape(
    learner.recording_epoch, state, inputs, targets, keys, 0
  )[2]
  kept = recording.keep(
    state["variables"], shapes, messages=(0,), snapshots=(0, 1)
  )
  variables = jax.tree.map(lambda a: jnp.array(a[0]), state["variables"])
  start = jax.tree.map(jnp.array, state["variables"]["bottoms"][:1])
  messages = protocol.exchange(net, variables, inputs, targets[0]).messages
  for _, after, kept, _ in loop.fit(
    learner,
    state,
    inputs,
    targets,
    keys,
    start=0,
    epochs=1,
    kept=kept,
  ):
    recorded = kept["messages"]
    assert len(recorded["0"]["parties"]) == 1  # the passive party only
    jax.tree.map(
      lambda kept, sent: np.testing.assert_allclose(
        kept[0], sent[np.array([1, 5, 20])], atol=1e-6
      ),
      recorded["0"]["parties"][0],
      {
        "gradients": messages.gradients[0],
        "embeddings": messages.embeddings[0],
      },
    )
    bottoms = recorded["0"]["bottoms"]
    jax.tree.map(
      np.testing.assert_array_equal,
      bottoms,
      after["variables"]["bottoms"][:1],
    )
    assert jax.tree.structure(bottoms) == jax.tree.structure(start)
    jax.tree.map(
      np.testing.assert_array_equal,
      (kept["snapshots"]["0"]["bottoms"][:1], kept["snapshots"]["1"]),
      (start, after["variables"]),
    )


@pytest.mark.parametrize(
  "epochs, messages, wanted",
  [(3, (), "ppp"), (3, (1,), "rrr"), (40, (0, 39), "r" + "p" * 38 + "r")],
)
def test_few_epochs_are_one_program(epochs, messages, wanted):
  used = []

  def program(letter, extra):
    def run(state, *_):
      used.append(letter)
      return state, {"loss": np.zeros(1)}, *extra

    return run

  learner = train.Learner(
    init=None,
    epoch=program("p", ()),
    recording_epoch=program("r", ({"parties": ()},)),
    predict=None,
  )
  state = {"variables": {"bottoms": ()}}
  kept = {"messages": {str(e): {} for e in messages}, "snapshots": {}}
  nothing = jnp.zeros(())
  for _ in loop.fit(
    learner, state, (), nothing, nothing, start=0, epochs=epochs, kept=kept
  ):
    pass
  assert "".join(used) == wanted


@pytest.mark.parametrize("schedule", ["constant", "cosine", "steps"])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_schedules(name, schedule):
  optimizer = optimizers.build(
    name,
    learning_rate=1.0,
    steps=10,
    momentum=0.0,
    schedule=schedule,
    boundaries=(0.5,),
  )
  params = {"w": jnp.ones(3)}
  state, moves = optimizer.init(params), []
  for _ in range(10):
    change, state = optimizer.update({"w": jnp.ones(3)}, state, params)
    moves.append(-float(change["w"][0]))
  assert moves[0] == pytest.approx(1.0, abs=1e-3)
  last = {
    "constant": 1.0,
    "steps": 0.1,
    "cosine": 0.5 * (1 + np.cos(0.9 * np.pi)),
  }[schedule]
  assert moves[-1] == pytest.approx(last, abs=1e-3)


def test_programs_are_dropped_before_they_fill_the_process():
  traced = []

  @jax.jit
  def double(x):
    traced.append(x.shape)
    return 2 * x

  double(jnp.ones(3))
  assert not compilation.make_room(full=1.0)
  double(jnp.ones(3))
  assert len(traced) == 1
  dropped = compilation.make_room(full=0.0)  # where the system tells
  np.testing.assert_array_equal(double(jnp.ones(3)), 2)
  assert len(traced) == 1 + dropped


def test_without_an_answer_of_the_system_nothing_is_dropped(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(compilation, "_LIMIT", tmp_path / "nowhere")
  assert not compilation.make_room(full=0.0)
