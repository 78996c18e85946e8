"""The malicious optimiser, step by step, and the training under it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.shared import common
from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import active_completion
from vfl_jax.attacks import base
from vfl_jax.config import schema
from vfl_jax.experiments import experiment
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import malicious
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import views
from vfl_jax.results import status
from vfl_jax.results import tables


def steps(rule, gradients):
  params = {"w": jnp.zeros(1)}
  state, taken = rule.init(params), []
  for g in gradients:
    update, state = rule.update({"w": jnp.full(1, g)}, state, params)
    taken.append(float(update["w"][0]))
  return taken


@pytest.mark.parametrize(
  "rule, wanted",
  [
    (active_completion.amplified(0.9), [1, 5.51, 6.58, 7.80, 8.97, 10.05]),
    (
      active_completion.amplified(0.9, variant="released"),
      [1, 5.51, 12.4, 24.1, 44.0, 78.1],
    ),
    (
      active_completion.amplified(0.9, gamma=0.0),
      [1, 1.9, 2.71, 3.44, 4.10, 4.69],
    ),
    (optax.trace(0.9), [1, 1.9, 2.71, 3.44, 4.10, 4.69]),
  ],
)
def test_a_constant_gradient_is_amplified_as_published(rule, wanted):
  np.testing.assert_allclose(steps(rule, [1.0] * 6), wanted, rtol=5e-3)
  # the sign means nothing
  negative = [-w for w in wanted]
  np.testing.assert_allclose(steps(rule, [-1.0] * 6), negative, rtol=5e-3)


def test_a_step_that_turns_is_not_amplified_and_none_is_beyond_the_largest():
  taken = steps(active_completion.amplified(0.0), [1.0, -1.0, -1.0, -100.0])
  np.testing.assert_allclose(taken, [1, -1, -2, -500], rtol=1e-5)


def tiny(**sections):
  config = common.experiment("active", "step", **sections)
  config.seeds = 2
  config.train.epochs = 2
  config.train.steps_per_epoch = 5
  config.information.estimators = ()
  config.model = schema.model("mlp", hidden=(16,))
  return config


def test_only_the_malicious_party_trains_differently():
  config = validate.validate(tiny())
  setup = federation_setup.prepare(config)
  state, _ = federation_setup.initial(config, setup)
  honest, _ = malicious.attacked(config, setup, (1,), lambda m: optax.trace(m))
  for epoch in range(2):
    state, _ = setup.learner.epoch(
      state, setup.inputs, setup.targets, setup.keys, epoch
    )
  # plain momentum in the place of momentum: the honest federation
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
    honest.variables,
    state["variables"],
  )
  loud, _ = malicious.attacked(config, setup, (1,), active_completion.amplified)
  moved = [
    sum(
      float(jnp.abs(a - b).sum())
      for a, b in zip(
        jax.tree.leaves(loud.variables["bottoms"][k]["params"]),
        jax.tree.leaves(honest.variables["bottoms"][k]["params"]),
        strict=True,
      )
    )
    for k in range(2)
  ]
  assert moved[1] > 2 * moved[0]


def test_it_stands_in_the_report_with_what_it_does_to_the_task(tmp_path):
  # the active one first: what it trained is not what the passive one reads
  config = tiny(attacks=("active_completion", "passive_completion"))
  experiment.run(validate.validate(config), tmp_path)
  table = tables.read(tmp_path, "attacks")
  assert set(table["attack"]) == {"passive_completion", "active_completion"}
  ceilings = table[(table["what"] == "ceiling") & table["primary"]].pivot(
    index=["party", "seed", "rows"], columns="attack", values="value"
  )
  assert (ceilings.nunique(axis=1) == 2).any()  # another bottom, another one
  theirs = tables.read(tmp_path, "active")
  assert len(theirs) == 2 * 2 and (theirs["value"] != theirs["honest"]).any()
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "Active completion by party 1 leaves the protocol" in html


def test_a_federation_that_diverges_under_it_is_said_and_not_scored(tmp_path):
  # the active one first: what it trained is not what the passive one reads
  config = tiny(attacks=("active_completion", "passive_completion"))
  config.attacks = (
    "passive_completion",
    {"name": "active_completion", "largest": 1e30, "gamma": 1e30},
  )
  experiment.run(validate.validate(config), tmp_path)
  assert (
    "diverged in seeds"
    in status.status(tmp_path)["skipped"]["active_completion"]
  )
  assert set(tables.read(tmp_path, "attacks")["attack"]) == {
    "passive_completion"
  }
  assert "Skipped: active_completion" in (tmp_path / "report.html").read_text()


def test_it_needs_momentum_to_amplify():
  config = tiny(attacks=("active_completion",))
  config.train.optimizer = "adam"
  with pytest.raises(ValueError, match="set train.optimizer='sgd'"):
    validate.validate(config)
  config.train.optimizer = "sgd"
  config.train.overrides = ({"name": "party 1", "optimizer": "adam"},)
  with pytest.raises(ValueError, match="set train.optimizer='sgd'"):
    validate.validate(config)
  config.train.overrides = ({"name": "top", "optimizer": "adam"},)
  validate.validate(config)
  with pytest.raises(ValueError, match="largest is 0.5"):
    attacks.build("active_completion", budget=1, largest=0.5)


@pytest.mark.slow
def test_ids_one_passive_party_and_the_released_variant(tmp_path):
  """DeepFM's fields through embeddings, beside an active party with some."""
  config = tiny(
    attacks=(
      {"name": "active_completion", "variant": "released"},
      "spectral",
      {"name": "similarity", "on": "embeddings"},
      {"name": "similarity", "on": "embeddings", "rule": "kmeans"},
      "embedding_swap",
      "feature_inversion",
    )
  )
  config.data.name = "breast_cancer"
  config.data.encoding = "fields"
  config.data.active_features = True
  config.model = schema.model("deepfm", hidden=(8,))
  config.record.epochs = (1,)
  experiment.run(validate.validate(config), tmp_path)
  table = tables.read(tmp_path, "attacks")
  assert set(table["party"]) == {"0"} and len(set(table["attack"])) == 5
  active = tables.read(tmp_path, "active")
  assert set(active["attack"]) == {"active_completion", "embedding_swap"}
  exposed = tables.read(tmp_path, "exposure")
  assert set(exposed["metric"]) == {"unexplained"}


@pytest.mark.usefixtures("without_figures")
def test_a_swap_goes_on_training_and_is_held_against_an_honest_twin(tmp_path):
  config = tiny(attacks=({"name": "embedding_swap", "every": 1},))
  config.record.epochs = (1,)
  config.train.schedule = "cosine"
  config.model.norm = "none"
  experiment.run(validate.validate(config), tmp_path)
  active = tables.read(tmp_path, "active")
  before = experiment.load(tmp_path)
  honest = active.groupby("seed")["honest"].mean().to_numpy()
  test = before.federation.dataset.test
  predict = federation_setup.prepare(before.config).learner.predict
  logits = predict(before.federation.variables, tuple(test.inputs))
  labels = test.labels
  trained = (np.argmax(np.asarray(logits), -1) == labels).mean(1)
  assert (honest != trained).any()  # at the end of a cosine nothing moves
  assert (active["value"] != active["honest"]).any()


def test_only_the_top_and_honest_parties_learn_while_others_are_swapped_in():
  config = tiny(attacks=({"name": "embedding_swap", "every": 1},))
  config.record.epochs = (1,)
  config = validate.validate(config)
  setup = federation_setup.prepare(config)
  state, kept = federation_setup.initial(config, setup)
  f = views.trained(config, setup, state["variables"], kept)
  attack = attacks.build("embedding_swap", budget=1, every=1)
  labels = np.asarray(setup.dataset.train.labels)
  known = np.tile([np.argmax(labels == c) for c in range(10)], (2, 1))
  after = malicious.swapped(setup, f, state, (1,), attack, known, 0)
  before, after = f.variables, after.variables

  def moved(a, b):
    return any(map(np.any, jax.tree.leaves(jax.tree.map(np.not_equal, a, b))))

  assert not moved(before["bottoms"][1], after["bottoms"][1])
  assert moved(before["bottoms"][0], after["bottoms"][0])
  assert moved(before["top"], after["top"])


@pytest.mark.usefixtures("without_figures")
def test_an_attack_without_a_word_is_listed_with_the_reason(tmp_path):
  config = tiny(attacks=("norm", "similarity"), defenses=("lcd",))
  config.train.epochs = 4
  config.record.epochs = (3,)  # `lcd` trains the top alone by then
  experiment.run(validate.validate(config), tmp_path)
  skipped = status.status(tmp_path)["skipped"]
  assert set(skipped) == {"norm", "similarity", "similarity with features"}
  assert "too few recorded rows got a gradient" in skipped["norm"]


@pytest.mark.usefixtures("without_figures")
def test_summed_logits_of_a_trained_federation_are_read_exactly(tmp_path):
  config = tiny(attacks=("direct",))
  config.model.cut = len(
    federation_setup.prepare(validate.validate(tiny())).net.model.stages
  )
  config.record.epochs = (0,)
  experiment.run(validate.validate(config), tmp_path)
  found = tables.read(tmp_path, "leakage").query("metric == 'accuracy'")
  assert (found["attack_score"] == 1).all() and len(found) == 2


def test_an_oracle_stands_beside_the_honest_number_under_a_mark(tmp_path):
  config = tiny()
  config.evaluate.oracle = True
  config.evaluate.attack_steps = 12
  experiment.run(validate.validate(config), tmp_path)
  table = tables.read(tmp_path, "leakage").query("primary")
  table = table.pivot(
    index=["party", "rows"], columns="attack", values="attack_score"
  )
  honest, best = table.to_numpy().T
  assert list(table) == ["passive_completion", "passive_completion (oracle)"]
  assert (best >= honest).all()
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "An oracle was asked for" in html
  assert "chosen by the true labels: no claim" in html
  assert "largest of 2 attacks" not in html  # no headline of an oracle's


def test_a_coalition_reads_summed_logits_once():
  labels = np.arange(30) % 3
  g = (np.full((30, 3), 1 / 3) - np.eye(3)[labels]).astype(np.float32)
  view = seen.view(
    **dict.fromkeys(("train", "test", "train_ids", "test_ids", "bottom")),
    gradients={0: (jnp.asarray(g), jnp.asarray(g))},
    recorded_rows=np.arange(30),
    aux_rows=np.arange(3),
    aux_labels=np.arange(3),
    public=base.Public(3, 30, 1, ("all",), None),
  )
  found = attacks.build("direct", budget=1).infer(jax.random.key(0), view)
  np.testing.assert_array_equal(np.argmax(found.train, 1), labels)
