"""Attacks that replay gradients, enumerate, swap or invert: known answers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

from configs.shared import common
from tests.helpers import planted
from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.attacks import enumeration
from vfl_jax.attacks import naming
from vfl_jax.attacks import selection
from vfl_jax.config import schema
from vfl_jax.evaluation import exposure
from vfl_jax.evaluation import metrics as evaluation_metrics
from vfl_jax.experiments import experiment
from vfl_jax.experiments.validation import validate
from vfl_jax.results import tables

pytestmark = pytest.mark.usefixtures("without_figures")

KEY = jax.random.key(0)
BATCH = 20


def softmax(logits):
  e = np.exp(logits - logits.max(-1, keepdims=True))
  return e / e.sum(-1, keepdims=True)


def victim(labels, h, g, per_class=3, prior=None, cut=1, train=None):
  classes = int(labels.max()) + 1
  rows = np.concatenate(
    [np.flatnonzero(labels == c)[:per_class] for c in range(classes)]
  )
  train = np.asarray(h if train is None else train, np.float32)
  return seen.view(
    train=train,
    test=train[:5],
    train_ids=np.arange(len(h)),
    test_ids=np.arange(5),
    bottom={"params": {}, "stats": {}},
    gradients={0: np.asarray(g / BATCH, np.float32)},
    recorded_rows=np.arange(len(h)),
    aux_rows=rows,
    aux_labels=labels[rows],
    public=base.Public(
      classes,
      BATCH,
      cut,
      ("planted",),
      lambda v, x, **kw: (x, v["stats"]),
      label_prior=prior,
    ),
    embeddings={0: np.asarray(h, np.float32)},
  )


def linear_top(n=400, d=6, classes=4, seed=0):
  """Labels that have nothing to do with what the party holds."""
  generator = np.random.default_rng(seed)
  labels = generator.integers(0, classes, n)
  h = generator.standard_normal((n, d))
  w = generator.standard_normal((d, classes))
  wrong = softmax(0.3 * h @ w) - np.eye(classes)[labels]
  return labels, h, wrong @ w.T


@pytest.mark.parametrize("name", ["unsplit", "exploit"])
def test_a_linear_top_is_replayed_and_its_labels_read(name):
  labels, h, g = linear_top()
  view = victim(labels, h, g, prior=tuple(np.bincount(labels) / len(labels)))
  found = planted.infer(attacks.build(name, budget=1500), view)
  assert evaluation_metrics.score("accuracy", found.train, labels) > 0.97
  assert float(found.details["misfit"]) < 0.2


@pytest.mark.parametrize("name", ["unsplit", "exploit"])
@pytest.mark.parametrize("factor", [10, 0.1])
def test_neither_the_unit_nor_a_few_loud_rows_matter_to_a_replay(name, factor):
  labels, h, g = linear_top()
  g[::80] *= 200
  view = victim(
    labels, h, factor * g, prior=tuple(np.bincount(labels) / len(labels))
  )
  found = planted.infer(attacks.build(name, budget=1500), view)
  assert evaluation_metrics.score("accuracy", found.train, labels) > 0.95


@pytest.mark.parametrize("prior", [None, (0.8, 0.2)])
def test_classes_without_names_are_named_and_told_apart_by_known_samples(prior):
  """Scores that seem to say one class of every row, and the wrong way round."""
  generator = np.random.default_rng(0)
  labels = (generator.random(500) < 0.2).astype(int)
  margin = 3 - 0.1 * labels + 0.01 * generator.standard_normal(500)
  scores = 5 * generator.standard_normal((500, 1)) + margin[:, None] * [1, 0]
  view = victim(labels, np.zeros((500, 1)), np.zeros((500, 1)), prior=prior)
  scores[7] = np.nan
  assert np.nanargmax(scores[8:], 1).max() == 0
  found = naming.calibrated(scores, view.trial.aux_rows, view)
  assert np.isnan(found[7]).all()
  spoken = np.arange(500) != 7
  assert (
    evaluation_metrics.score("accuracy", found[spoken], labels[spoken]) > 0.97
  )


def test_rows_without_a_gradient_are_not_replayed():
  labels, h, g = linear_top(n=100)
  g[:7] = np.nan
  view = victim(labels, h, g, per_class=8)
  found = planted.infer(attacks.build("unsplit", budget=50), view)
  assert np.isnan(found.train[:7]).all() and np.isfinite(found.train[7:]).all()


def averaged(batch, classes=3, d=4, steps=30, seed=0, code=None):
  """Weight gradients of a matrix under summed logits; the truth."""
  generator = np.random.default_rng(seed)
  n = batch * steps
  x = generator.standard_normal((n, d)).astype(np.float32)
  labels = generator.integers(0, classes, n)
  w = generator.standard_normal((d, classes)).astype(np.float32)
  others = generator.standard_normal((n, classes))
  targets = (np.eye(classes) if code is None else code)[labels]
  wrong = softmax(x @ w + others) - targets
  rows = np.arange(n).reshape(steps, batch)
  gradients = np.einsum("sbd,sbc->sdc", x[rows], wrong[rows]) / batch
  view = victim(labels, x, np.zeros((n, classes)), per_class=1)
  public = view.public._replace(
    bottom=lambda v, x, train=False: (x @ v["params"], v["stats"])
  )
  kept = base.Averages(
    jnp.asarray(gradients, jnp.float32),
    {"params": jnp.tile(w, (steps, 1, 1)), "stats": {}},
    jnp.asarray(rows),
  )
  view = seen.replaced(
    view, gradients={}, embeddings={}, averages={0: kept}, public=public
  )
  return view, labels


def test_batch_inversion_recovers_batches_of_one():
  view, labels = averaged(1)
  found = planted.infer(attacks.build("batch_inversion", budget=200), view)
  assert (
    evaluation_metrics.score("accuracy", np.asarray(found.train), labels) == 1
  )


def test_batches_that_a_ridge_regression_solves_start_there():
  view, labels = averaged(8, d=16)
  found = planted.infer(attacks.build("batch_inversion", budget=1), view)
  scores = np.asarray(found.train)
  assert evaluation_metrics.score("accuracy", scores, labels) > 0.98


def test_batch_inversion_through_a_code_that_it_knows():
  code = 0.05 + 0.85 * np.roll(np.eye(3), 1, axis=1)
  view, labels = averaged(1, code=code)
  view = seen.replaced(view, code=jnp.asarray(code))
  blind, told = (
    planted.infer(
      attacks.build("batch_inversion", budget=200, code=known), view
    )
    for known in (False, True)
  )
  blind, told = (
    evaluation_metrics.score("accuracy", np.asarray(f.train), labels)
    for f in (blind, told)
  )
  assert told > 0.9 and blind < 0.4  # a broad softmax leaves two classes open


def test_batch_inversion_reads_a_few_rows_and_says_nothing_of_others():
  view, labels = averaged(2)
  first = view.trial.recorded[0].averages
  half = jax.tree.map(lambda a: a[:15], first)
  view = seen.replaced(view, averages={0: half})
  found = planted.infer(attacks.build("batch_inversion", budget=300), view)
  scores = np.asarray(found.train)
  assert np.isnan(scores[30:]).all()
  assert evaluation_metrics.score("accuracy", scores[:30], labels[:30]) > 0.8


@pytest.mark.parametrize("classes", [2, 4, 6])
def test_the_map_by_duels_is_the_best_of_all(classes):
  """Beyond seven classes there are duels; here all maps are known."""
  generator = np.random.default_rng(classes)
  found = generator.integers(0, classes, 300)
  names = generator.permutation(classes)
  logits = generator.standard_normal((300, classes))
  labels = np.where(
    generator.random(300) < 0.7,
    names[found],
    generator.integers(0, classes, 300),
  )
  g = softmax(logits) - np.eye(classes)[labels]

  def cosine(tried):
    q = softmax(logits) - np.eye(classes)[np.asarray(tried)[found]]
    return (q * g).sum() / np.linalg.norm(q) / np.linalg.norm(g)

  best = max(itertools.permutations(range(classes)), key=cosine)
  for largest in (7, 0):
    order, value = enumeration.named(found, logits, g, largest)
    np.testing.assert_array_equal(np.argsort(order), best)
    assert value == pytest.approx(cosine(best))
  np.testing.assert_array_equal(best, names)


def test_duels_find_the_map_of_as_many_classes_as_nobody_enumerates():
  classes, rows = 40, 4000
  generator = np.random.default_rng(0)
  found = generator.integers(0, classes, rows)
  names = generator.permutation(classes)
  labels = np.where(
    generator.random(rows) < 0.5,
    names[found],
    generator.integers(0, classes, rows),
  )
  p = softmax(generator.standard_normal((rows, classes)))
  g = p - np.eye(classes)[labels]
  np.testing.assert_array_equal(enumeration.duels(found, p, g), names)
  # of gradients that say nothing of the clusters, none is better than chance
  lost = p - np.eye(classes)[generator.permutation(labels)]
  assert (enumeration.duels(found, p, lost) == names).sum() <= 6


def test_enumeration_needs_no_auxiliary_sample():
  labels = np.arange(200) % 4
  generator = np.random.default_rng(0)
  x = 6 * np.eye(4)[labels] + generator.standard_normal((200, 4))
  h = generator.standard_normal((200, 4))
  view = victim(labels, h, softmax(h) - np.eye(4)[labels], train=x)
  view = seen.replaced(view, aux_rows=np.arange(0), aux_labels=np.arange(0))
  found = planted.infer(attacks.build("enumeration", budget=1), view)
  assert evaluation_metrics.score("accuracy", found.train, labels) > 0.98


def test_every_row_is_swapped_with_every_class_once():
  attack = attacks.build("embedding_swap", budget=1, every=3)
  classes, rows = 4, np.arange(50)
  met = np.zeros((50, classes), int)
  honest = attack.send(
    -jnp.ones((50, 2)), jnp.arange(8.0).reshape(4, 2), rows, 0
  )
  np.testing.assert_array_equal(honest, -np.ones((50, 2)))
  for turn in range(1, attack.turns(classes)):
    known = jnp.arange(float(classes))[:, None] * jnp.ones(2)
    sent = attack.send(-jnp.ones((50, 2)), known, rows, turn)
    for row, value in enumerate(np.asarray(sent)[:, 0]):
      if value >= 0:
        met[row, int(value)] += 1
  assert (met == 1).all()


@pytest.mark.parametrize("drift", [1.0, 0.4])
def test_swaps_are_read_under_a_top_that_moves(drift):
  """Norms of later epochs are smaller, and no class gains by it."""
  attack = attacks.build("embedding_swap", every=2)
  classes, rows = 4, np.arange(80)
  labels = rows // 7 % classes
  turns = {0: np.ones((80, 1), np.float32)}
  for turn in range(1, attack.turns(classes)):
    sent = attack.send(
      jnp.full(80, -1), jnp.arange(classes), jnp.asarray(rows), turn
    )
    sent = np.asarray(sent)
    norm = np.where(sent < 0, 1.0, np.where(sent == labels, 0.3, 1.5))
    turns[turn] = (norm * drift**turn)[:, None].astype(np.float32)
  view = victim(labels, np.zeros((80, 1)), np.ones((80, 1)))
  found = planted.infer(attack, seen.replaced(view, gradients=turns))
  assert (np.asarray(found.train).argmax(1) == labels).all()


def test_a_threshold_leaves_out_rows_whose_norm_never_falls():
  attack = attacks.build("embedding_swap", budget=1, every=1, ratio=0.5)
  labels = np.arange(12) % 2
  view = victim(labels, np.zeros((12, 1)), np.ones((12, 1)))
  turns = {0: np.ones((12, 1), np.float32)}
  for turn in (1, 2):
    sent = attack.send(jnp.full(12, -1), jnp.arange(2), jnp.arange(12), turn)
    norm = np.where(np.asarray(sent) == labels, 0.1, 2.0)
    norm[:3] = 0.9  # of these nothing can be said
    turns[turn] = norm[:, None].astype(np.float32)
  found = planted.infer(attack, seen.replaced(view, gradients=turns))
  scores = np.asarray(found.train)
  assert np.isnan(scores[:3]).all()
  assert (scores[3:].argmax(1) == labels[3:]).all()
  assert float(found.details["spoken of"]) == pytest.approx(0.75)


ON_FEATURES = [
  name for name in attacks.ATTACKS if attacks.build(name, budget=1).features
]


@pytest.mark.parametrize("name", ON_FEATURES)
def test_reconstructions_are_functions_of_their_key_and_finite(name):
  generator = np.random.default_rng(0)
  h, x = generator.standard_normal((2, 60, 4)).astype(np.float32)
  attack = attacks.build(name, budget=1)
  received = base.Received(h[:20], h, x)
  infer = jax.jit(attack.infer)
  first, again = (np.asarray(infer(KEY, received).test) for _ in range(2))
  np.testing.assert_array_equal(first, again)
  assert first.shape == (20, 4) and np.isfinite(first).all()
  assert attack.budget and attack.compiled
  # it is given what was sent, what is known, and no label
  assert not [n for n in base.Received._fields if "label" in n]


def inverted(h, x, h_test):
  attack = attacks.build("feature_inversion", budget=1)
  assert attack.features
  return np.asarray(attack.infer(KEY, base.Received(h_test, h, x)).test)


def test_features_are_rebuilt_from_a_linear_map_and_not_from_noise():
  generator = np.random.default_rng(0)
  x = generator.standard_normal((800, 5)).astype(np.float32)
  w = generator.standard_normal((5, 7)).astype(np.float32)
  h = x @ w
  found = exposure.scores(inverted(h[:400], x[:400], h[400:]), x[400:], x[:400])
  assert found["unexplained"] < 0.02
  noise = generator.standard_normal((800, 7)).astype(np.float32)
  guess = inverted(noise[:400], x[:400], noise[400:])
  assert exposure.scores(guess, x[400:], x[:400])["unexplained"] > 0.95
  # against what the mean of known rows leaves, which may be far from theirs
  far = exposure.scores(np.zeros((4, 2)), np.ones((4, 2)), np.full((9, 2), 3.0))
  assert far["unexplained"] == pytest.approx(1 / 4)
  # four of seven directions are lost: the rest is what least squares leaves
  half = x @ w[:, :2]
  left = metrics.mean_squared_error(
    x[400:], half[400:] @ np.linalg.lstsq(half[:400], x[:400], rcond=None)[0]
  )
  found = exposure.scores(
    inverted(half[:400], x[:400], half[400:]), x[400:], x[:400]
  )
  assert found["unexplained"] == pytest.approx(left, rel=0.1)


def test_scores_of_images_are_those_of_their_definitions():
  generator = np.random.default_rng(0)
  truth = generator.random((6, 8, 4, 1)).astype(np.float32)
  known = truth.reshape(6, -1)
  same = exposure.scores(known, known, known, truth.shape)
  assert same["ssim"] == pytest.approx(1) and same["mse"] == 0
  shifted = exposure.scores(known + 0.1, known, known, truth.shape)
  spread = known.max() - known.min()
  assert shifted["mse"] == pytest.approx(0.01, rel=1e-4)
  assert shifted["psnr"] == pytest.approx(20 * np.log10(spread / 0.1), rel=1e-4)


def tiny(**sections):
  config = common.experiment("replayed", "step", **sections)
  config.seeds = 2
  config.train.epochs = 2
  config.train.steps_per_epoch = 5
  config.information.estimators = ()
  config.model = schema.model("mlp", hidden=(16,))
  return config


def test_averaged_messages_hide_cut_gradients_and_can_be_inverted(tmp_path):
  config = tiny(attacks=("batch_inversion",))
  config.record.epochs = (0, 1)
  config.record.samples = 40
  config.record.messages = "averaged"
  config.model.cut = 5
  experiment.run(validate.validate(config), tmp_path)
  view = experiment.load(tmp_path).federation.views(
    (0,), np.zeros((2, 1), int), np.zeros((2, 1), int)
  )
  recorded = view.trial.recorded[1]
  assert recorded.gradients is None and recorded.embeddings is None
  kept = recorded.averages
  assert kept.rows.shape == (2, 3, 16)  # 40 rows: three batches of 16
  assert {a.shape[:2] for a in jax.tree.leaves(kept.gradients)} == {(2, 3)}
  table = tables.read(tmp_path, "attacks")
  rows = table[table["attack"] == "batch_inversion"]
  assert set(rows["rows"]) == {"train"} and (rows["n"] <= 2 * 48).all()
  config.attacks = ("norm",)
  with pytest.raises(ValueError, match="set record.messages='per_sample'"):
    validate.validate(config)


@pytest.mark.slow
def test_a_coalition_sees_the_union_and_exposure_is_reported(tmp_path):
  some = ("passive_completion", "direction", "unsplit", "embedding_swap")
  config = tiny(attacks=(*some, "feature_inversion"))
  config.record.epochs = (0,)
  config.evaluate.coalitions = ((0, 2),)
  config.evaluate.label_prior = True
  config.data.parties = 3
  experiment.run(validate.validate(config), tmp_path)
  f = experiment.load(tmp_path).federation
  view = f.views((0, 2), np.zeros((2, 1), int), np.zeros((2, 1), int))
  alone = [
    f.views((k,), np.zeros((2, 1), int), np.zeros((2, 1), int)) for k in (0, 2)
  ]
  for i, single in enumerate(alone):
    for field in ("train", "test"):
      both, own = (getattr(v.shared, field) for v in (view, single))
      np.testing.assert_array_equal(both[i], own)
    for field in ("gradients", "embeddings"):
      both, own = (getattr(v.trial.recorded[0], field) for v in (view, single))
      np.testing.assert_array_equal(both[i], own)
  bottom = jax.tree.map(lambda a: a[0], view.trial.bottom)
  h, _ = view.public.bottom(bottom, view.shared.train)
  for i, single in enumerate(alone):
    variables = jax.tree.map(lambda a: a[0], single.trial.bottom)
    own, _ = single.public.bottom(variables, single.shared.train)
    np.testing.assert_array_equal(h[i], own)
  table = tables.read(tmp_path, "attacks")
  assert set(table["party"].astype(str)) == {"0", "1", "2", "0+2"}
  assert set(table["attack"]) == {*some, "direction with features"}
  exposed = tables.read(tmp_path, "exposure")
  assert set(exposed["metric"]) >= {"unexplained", "mse", "psnr"}
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "0+2" in html


@pytest.mark.parametrize(
  "coalitions, words",
  [
    (((0,),), "at least two"),
    (((0, 0),), "different"),
    (((0, 5),), "passive parties of 0 to 1"),
    ((0, 1), "at least two"),
  ],
)
def test_impossible_coalitions_are_refused(coalitions, words):
  config = tiny()
  config.evaluate.coalitions = coalitions
  with pytest.raises(ValueError, match=words):
    validate.validate(config)


@pytest.mark.parametrize(
  "name, options, words",
  [
    ("unsplit", {"depth": -1}, "depth is -1; take at least 0"),
    ("unsplit", {"batch": 0}, "batch is 0; take at least 1"),
    ("unsplit", {"starts": "best"}, "'both' or 'random'"),
    ("exploit", {"restarts": 0}, "restarts is 0; take at least 1"),
    ("exploit", {"steps": 0}, "steps is 0; take at least 1"),
    ("exploit", {"learning_rate": 0.0}, "more than 0"),
    ("passive_completion", {"steps": 0}, "steps is 0; take at least 1"),
    ("passive_completion", {"steps": -5}, "steps is -5"),
    ("passive_completion", {"batch": 0}, "batch is 0"),
    ("passive_completion", {"variants": ()}, "variants is empty"),
    ("passive_completion", {"variants": (("frozen", 0, -1.0),)}, "weight >= 0"),
    ("active_completion", {"steps": 0}, "steps is 0"),
    ("enumeration", {"largest": 12}, "take 0 to 9"),
    ("feature_inversion", {"width": 0}, "width is 0"),
    ("norm", {"steps": 5}, "unknown option of attack 'norm' 'steps'"),
    ("embedding_swap", {"every": 0}, "at least 1"),
    ("batch_inversion", {"top": "conv"}, "'sum' or 'linear'"),
  ],
)
def test_impossible_options_are_refused(name, options, words):
  with pytest.raises(ValueError, match=words):
    attacks.build(name, **options)


def test_the_budget_binds_what_the_config_does_not_say():
  """`attack_steps` is for all attacks; an attack's own `steps` are its own."""
  said = lambda **own: attacks.build("unsplit", **own).budget
  assert "of 400 steps" in said(budget=400)
  assert "of 2000 steps" in said(budget=25600)  # never more than published
  assert "of 5000 steps" in said(budget=400, steps=5000)


def test_the_sum_of_logits_is_refused_before_the_last_stage():
  attack = attacks.build("batch_inversion", top="sum")
  setting = base.Setting(1, 4, "averaged", False, "sgd", False, (0, 1), False)
  assert "summed logits" in selection.missing(attack, setting)
