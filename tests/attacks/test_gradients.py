"""Attacks on gradients and clusters, held to answers known by construction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

from tests.helpers import planted
from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.attacks import clustering
from vfl_jax.attacks import selection
from vfl_jax.attacks import views
from vfl_jax.config import schema
from vfl_jax.defenses import base as defense_base
from vfl_jax.evaluation import metrics as evaluation_metrics
from vfl_jax.experiments.validation import validate

KEY = jax.random.key(0)


def run(name, view, **options):
  return planted.infer(attacks.build(name, budget=1, **options), view)


def auc(found, labels):
  return evaluation_metrics.score("auc", np.asarray(found.train), labels)


def binary(seed=0, n=300, d=6):
  """Labels, a fifth of them positive, and gradients that tell a little."""
  generator = np.random.default_rng(seed)
  labels = (np.arange(n) % 5 == 0).astype(int)
  g = generator.standard_normal((n, d)) + 0.8 * labels[:, None]
  return labels, g.astype(np.float32)


def test_norm_is_the_auc_of_the_norms():
  labels, g = binary()
  wanted = metrics.roc_auc_score(labels, np.linalg.norm(g, axis=1))
  assert 0.6 < wanted < 0.95
  for truth in (labels, 1 - labels):  # the known samples say which is larger
    found = run("norm", planted.victim(truth, g, per_class=20))
    assert auc(found, truth) == pytest.approx(wanted)
  # or a public prior that says which is the rarer
  view = planted.victim(1 - labels, g, prior=(0.2, 0.8))
  assert auc(run("norm", view), 1 - labels) == pytest.approx(wanted)


@pytest.mark.parametrize(
  "name, options",
  [
    ("norm", {}),
    ("direction", {}),
    ("hint", {}),
    ("similarity", {}),
    ("similarity", {"rule": "kmeans"}),
    ("gradient_clustering", {}),
  ],
)
def test_known_samples_without_a_gradient_are_passed_over(name, options):
  """The first known sample of each class was in no batch, others were."""
  labels = np.arange(400) % 4
  generator = np.random.default_rng(0)
  centres = np.linalg.qr(generator.standard_normal((12, 12)))[0][:4]
  g = centres[labels] + 0.02 * generator.standard_normal((400, 12))
  g *= 2.0 ** labels[:, None]
  g[:4] = np.nan
  found = run(name, planted.victim(labels, g, per_class=3), **options)
  scores = np.asarray(found.train)
  assert np.isnan(scores[:4]).all()
  assert evaluation_metrics.score("accuracy", scores[4:], labels[4:]) == 1


def test_too_few_gradients_for_clusters_say_nothing():
  labels = np.arange(40) % 4
  g = np.full((40, 3), np.nan)
  g[:3] = 1.0
  found = run("gradient_clustering", planted.victim(labels, g))
  assert np.isnan(np.asarray(found.train)).all()


@pytest.mark.parametrize(
  "name, options",
  [
    ("gradient_clustering", {}),
    ("similarity", {"rule": "kmeans"}),
    ("similarity", {}),
    ("unsplit", {}),
    ("norm", {}),
    ("enumeration", {}),
  ],
)
def test_where_nothing_came_down_nothing_is_said(name, options):
  labels, g = binary()
  view = planted.victim(labels, np.full_like(g, np.nan))
  view = seen.replaced(view, embeddings={0: np.zeros_like(g[:, :2])})
  if name == "enumeration":
    view = seen.replaced(view, gradients={0: np.full_like(g[:, :2], np.nan)})
  assert np.isnan(np.asarray(run(name, view, **options).train)).all()


def test_direction_is_the_auc_of_the_cosine_with_a_known_positive():
  labels, g = binary()
  known = np.flatnonzero(labels)[0]
  cosines = g @ g[known] / np.linalg.norm(g, axis=1)
  wanted = metrics.roc_auc_score(labels, cosines)
  found = run("direction", planted.victim(labels, g), known=1, variant="paper")
  assert auc(found, labels) == pytest.approx(wanted, abs=1e-6)


def test_direction_compares_with_both_classes():
  labels, g = binary()
  unit = g / np.linalg.norm(g, axis=1, keepdims=True)
  cosines = [
    (unit @ unit[np.flatnonzero(labels == c)[:5]].T).max(1) for c in (0, 1)
  ]
  wanted = metrics.roc_auc_score(labels, cosines[1] - cosines[0])
  found = run("direction", planted.victim(labels, g, per_class=5))
  # a difference of almost equal numbers: some rows change places
  assert auc(found, labels) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("known", [1, 3, 5])
@pytest.mark.parametrize("rule", ["distance", "inner"])
def test_hint_is_the_auc_of_the_nearest_known_positive(known, rule):
  labels, g = binary()
  theirs = g[np.flatnonzero(labels)[:known]]
  if rule == "distance":
    score = -np.linalg.norm(g[:, None] - theirs, axis=2).min(1)
  else:
    score = (g @ theirs.T).max(1)
  wanted = metrics.roc_auc_score(labels, score)
  options = {"known": known, "rule": rule}
  view = planted.victim(labels, g, per_class=5)
  found = run("hint", view, variant="paper", **options)
  assert auc(found, labels) == pytest.approx(wanted, abs=1e-6)
  # and of both classes: the nearest positive less the nearest negative
  others = g[np.flatnonzero(labels == 0)[:known]]
  near = lambda known: (
    -(np.linalg.norm(g[:, None] - known, axis=2) ** 2).min(1)
    if rule == "distance"
    else (g @ known.T).max(1)
  )
  wanted = metrics.roc_auc_score(labels, near(theirs) - near(others))
  # a difference of large numbers: some rows change places
  found = run("hint", view, **options)
  assert auc(found, labels) == pytest.approx(wanted, abs=1e-3)


def test_direct_recovers_every_row_that_is_not_saturated():
  """g = softmax - onehot of real logits, some of them hopelessly sure."""
  generator = np.random.default_rng(0)
  labels = generator.integers(0, 7, 400)
  scale = 10 ** generator.uniform(-1, 4, (400, 1))
  logits = (scale * generator.standard_normal((400, 7))).astype(np.float32)
  loss = lambda z, y: -jax.nn.log_softmax(z)[y]
  g = np.array(jax.vmap(jax.grad(loss))(logits, labels)) / 400
  silent = g[np.arange(400), labels] == 0
  assert 10 < silent.sum() < 200
  found = run("direct", planted.victim(labels, g))
  scores = np.asarray(found.train)
  assert (np.argmax(scores, 1) == labels)[~silent].all()
  assert np.isnan(scores[silent]).all()
  assert int(found.details["saturated"]) == silent.sum()


def test_rows_in_no_batch_are_left_out_and_epochs_complete_each_other():
  labels, g = binary()
  first, second = g.copy(), 5 * g
  first[:30], second[20:40] = np.nan, np.nan
  found = views.gradients(planted.victim(labels, {0: first, 3: second}))
  assert np.asarray(found.covered).tolist() == [
    not 20 <= i < 30 for i in range(300)
  ]
  assert np.isfinite(np.asarray(found.vectors)).all()
  # a scale of an epoch means nothing: both look alike where both are there
  np.testing.assert_allclose(
    found.vectors[50:, :6], found.vectors[50:, 6:], rtol=0.1
  )
  scores = np.asarray(
    run("norm", planted.victim(labels, {0: first, 3: second})).train
  )
  assert np.isnan(scores[20:30]).all() and np.isfinite(scores[30:]).all()


@pytest.mark.parametrize("rule", ["nearest", "kmeans"])
@pytest.mark.parametrize("on", ["gradients", "embeddings"])
def test_similarity_finds_planted_clusters(on, rule):
  generator = np.random.default_rng(0)
  labels = generator.integers(0, 6, 500)
  centres = generator.standard_normal((6, 12))
  vectors = centres[labels] + 0.1 * generator.standard_normal((500, 12))
  vectors *= generator.uniform(0.1, 10, (500, 1))  # cosines do not mind
  view = planted.victim(
    labels, **{"gradients" if on == "gradients" else "train": vectors}
  )
  found = run("similarity", view, on=on, rule=rule)
  assert (
    evaluation_metrics.score("accuracy", np.asarray(found.train), labels) == 1
  )
  assert (found.test is None) == (on == "gradients")
  if found.test is not None:
    half = labels[: len(labels) // 2]
    assert (
      evaluation_metrics.score("accuracy", np.asarray(found.test), half) == 1
    )


@pytest.mark.parametrize("classes", [2, 6])
def test_gradient_clustering_finds_planted_directions(classes):
  generator = np.random.default_rng(0)
  labels = generator.integers(0, classes, 500)
  centres = np.linalg.qr(generator.standard_normal((12, 12)))[0][:classes]
  g = centres[labels] + 0.1 * generator.standard_normal((500, 12))
  found = run("gradient_clustering", planted.victim(labels, g))
  assert (
    evaluation_metrics.score("accuracy", np.asarray(found.train), labels) == 1
  )


def test_leading_coordinates_are_those_of_the_dense_affinity():
  generator = np.random.default_rng(0)
  vectors = generator.standard_normal((60, 5)) + 1
  vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
  affinity = 1 + vectors @ vectors.T
  degree = affinity.sum(1)
  normal = affinity / np.sqrt(degree[:, None] * degree)
  _, dense = np.linalg.eigh(normal)
  dense = dense[:, ::-1][:, :3]
  dense /= np.linalg.norm(dense, axis=1, keepdims=True)
  ours = clustering.leading(vectors, 3)
  np.testing.assert_allclose(ours @ ours.T, dense @ dense.T, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_spectral_finds_clusters_along_the_leading_vectors(classes):
  generator = np.random.default_rng(0)
  labels = generator.integers(0, classes, 400)
  centres = 6 * np.eye(10)[:classes]
  h = centres[labels] + generator.standard_normal((400, 10))
  found = run("spectral", planted.victim(labels, train=h))
  assert (
    evaluation_metrics.score("accuracy", np.asarray(found.train), labels) > 0.98
  )
  half = labels[:200]
  assert (
    evaluation_metrics.score("accuracy", np.asarray(found.test), half) > 0.98
  )


def test_mixtures_are_taken_apart_where_the_pairs_are_known():
  generator = np.random.default_rng(0)
  n, classes = 240, 4
  labels = np.arange(n) % classes
  sides = generator.standard_normal((classes, 6))
  sent, pairs = {}, {}
  for epoch in range(2):
    partner = generator.permutation(n)
    share = generator.uniform(0.5, 0.6, n)[:, None]
    sent[epoch] = share * sides[labels] + (1 - share) * sides[labels[partner]]
    sent[epoch][epoch::60] = np.nan  # in no batch
    pairs[epoch] = defense_base.Pairs(
      jnp.asarray(partner), jnp.asarray(share[:, 0], jnp.float32)
    )
  view = seen.replaced(planted.victim(labels, sent), pairs=pairs)
  for name in ("hint", "direction"):
    usual, apart = (
      evaluation_metrics.score(
        "accuracy", np.asarray(run(name, view, unmix=unmix).train), labels
      )
      for unmix in (False, True)
    )
    assert usual < 0.9 and apart > 0.99


SETTING = base.Setting(
  cut=3, stages=6, messages="per_sample", label_prior=False, epochs=(0,)
)


@pytest.mark.parametrize(
  "name, setting, words",
  [
    ("norm", SETTING._replace(messages=""), "and record.epochs, e.g. (0,)"),
    ("norm", SETTING._replace(messages="averaged"), "='per_sample'"),
    ("batch_inversion", SETTING, "set record.messages='averaged'"),
    ("batch_inversion", SETTING._replace(messages="averaged"), ""),
    ("enumeration", SETTING, "take model.cut=6, after the last stage"),
    ("exploit", SETTING, "set evaluate.label_prior=True"),
    ("exploit", SETTING._replace(label_prior=True), ""),
    ("embedding_swap", SETTING, ""),
    ("feature_inversion", SETTING._replace(cut=0, messages=""), ""),
    ("norm", SETTING._replace(cut=0), "at cut 0 no gradient comes down"),
    ("spectral", SETTING._replace(cut=0), "the party has no bottom"),
    ("direct", SETTING, "take model.cut=6, after the last stage"),
    ("direct", SETTING._replace(cut=6), ""),
    ("enumeration", SETTING._replace(cut=6), ""),
    ("enumeration", SETTING._replace(cut=6, epochs=(4,)), "epochs with 0"),
    ("unsplit", SETTING, ""),
    ("passive_completion", SETTING._replace(cut=0, messages=""), ""),
  ],
)
def test_what_an_attack_needs_and_is_not_there(name, setting, words):
  reason = selection.missing(attacks.build(name, budget=1), setting)
  assert words in reason and bool(reason) == bool(words)


def test_to_take_apart_needs_what_is_put_together():
  apart = attacks.build("hint", budget=1, unmix=True)
  assert "take 'mixup'" in selection.missing(apart, SETTING)
  assert not selection.missing(apart, SETTING._replace(pairs=True))


def test_needs_are_enforced_by_the_config():
  config = schema.defaults()
  config.attacks = ("direct",)
  config.record.epochs = (0,)
  with pytest.raises(
    ValueError, match="'direct' cannot run here: .*model.cut=8"
  ):
    validate.validate(config)
  config.model.cut = 8
  assert validate.validate(config).attacks == ("direct",)
  config.attacks = ({"name": "hint", "known": -1},)
  with pytest.raises(ValueError, match="known is -1; take at least 1, or 0"):
    validate.validate(config)
  config.attacks = ({"name": "unsplit", "epoch": 3},)
  with pytest.raises(ValueError, match="reads 4 recorded epochs; record.epoch"):
    validate.validate(config)
  config.attacks = ({"name": "hint", "rule": "near"},)
  with pytest.raises(
    ValueError, match="rule is 'near'; it takes 'distance' or 'inner'"
  ):
    validate.validate(config)


def test_a_known_code_is_read_through():
  """Labels under a code that no class is the largest of its own in."""
  generator = np.random.default_rng(0)
  classes, rows = 5, 400
  order = np.roll(np.arange(classes), 1)
  code = 0.04 + 0.8 * np.eye(classes)[order]
  labels = generator.integers(0, classes, rows)
  logits = 6 * generator.standard_normal((rows, classes))
  softmax = np.asarray(jax.nn.softmax(logits))
  g = (softmax - code[labels]) / 8
  view = planted.victim(labels, g.astype(np.float32))
  view = seen.replaced(
    view, code=jnp.asarray(code), public=view.public._replace(batch_size=8)
  )
  # where the softmax has reached the code, every class explains the gradient
  clear = softmax[np.arange(rows), order[labels]] < 0.8
  assert clear.mean() > 0.7
  blind = np.argmax(run("direct", view).train, 1)
  assert (blind == order[labels])[clear].all()  # the disguise, not the label
  told = run("direct", view, code=True)
  assert (np.argmax(told.train, 1) == labels)[clear].all()
  # under the identity it is the published rule
  plain = seen.replaced(
    view,
    code=jnp.eye(classes),
    gradients={0: ((softmax - np.eye(classes)[labels]) / 8).astype("f4")},
  )
  found = [run("direct", plain, code=known) for known in (False, True)]
  there = np.isfinite(np.asarray(found[0].train)).all(1)
  one, two = (np.argmax(f.train, 1)[there] for f in found)
  assert (one == two).all() and (one == labels[there]).all()
