"""Estimators against truths in closed form; the floor near zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vfl_jax import information
from vfl_jax.information import base
from vfl_jax.information import bounds
from vfl_jax.information import caveats
from vfl_jax.information import critics
from vfl_jax.information import estimate as information_estimate
from vfl_jax.information import fitting as information_fitting
from vfl_jax.information import input_information
from vfl_jax.information import nonparametric
from vfl_jax.information import preparation
from vfl_jax.information import probe
from vfl_jax.information import problems
from vfl_jax.information import projection
from vfl_jax.runtime import threads


# A lower bound exceeds the truth by sampling alone: 4 standard errors (the
# interval is 1.96 of them) fail once in 15,000 runs. Below, a critic that has
# learnt the density ratio from half of n rows falls short by its excess risk,
# about (parameters that matter) / n: a few hundredths of a nat for the few
# linear or quadratic directions of these problems; the rest is the optimiser.
ERRORS = 4 / 1.96
SHORTFALL = 0.06
DIRECT = ("neighbors", "copula", "plugin")
TRAINED = [n for n in information.ESTIMATORS if n not in DIRECT]
GENERAL = [n for n in TRAINED if n not in ("linear", "mlp")] + ["neighbors"]
FOR_LABELS = [*TRAINED, "neighbors", "plugin"]
FOR_VALUES = ("mine", "nwj", "infonce", "smile", "jsd", "neighbors", "copula")
# of these the papers' read-outs are no lower bounds
NO_BOUNDS = ("smile", "jsd", *DIRECT)
# what float targets cost a concatenated critic: a pass for each other sample;
# fewer steps on two folds are enough for these problems
SHORT = {"steps": 100, "folds": 2}


def as_users(name, *case, also, marks=()):
  """A case, run again as users compile if its estimator is one of `also`."""
  marks = [*marks, *([pytest.mark.numbers] if name in also else [])]
  return pytest.param(name, *case, marks=marks)


def estimate(name, t, y, **options):
  key = jax.random.key(options.pop("key", 1))
  layer = np.asarray(t, np.float32)
  return information_estimate.mutual_information(
    key, layer[None], y, estimator=name, **options
  )


def check(name, found, truth, truth_error=0.0, shortfall=SHORTFALL):
  slack = ERRORS * np.asarray(found.interval) + 4 * truth_error
  above = slack + (0.05 if name in NO_BOUNDS else 0.0)
  assert (found.nats <= truth + above).all(), (name, found, truth)
  assert (found.nats >= truth - slack - shortfall).all(), (name, found, truth)
  # permuted labels carry nothing: a bound that was chosen on other rows is
  # within its own error of zero, and is never far above
  assert (np.abs(found.floor) < 0.04).all(), (name, found)


@pytest.mark.parametrize(
  "name", [as_users(n, also=("mine", "classifier")) for n in GENERAL]
)
def test_gaussian_mixtures(name):
  for level in (0.1, 0.9):
    p = problems.problem("mixture", 0, n=2000, d=3, classes=4, level=level)
    found = estimate(name, p.t, p.y)
    check(name, found, p.truth, p.error)
    assert abs(found.ceiling - np.log(4)) < 0.01
    assert found.n == 2000


@pytest.mark.parametrize(
  "name, shape",
  [
    # what one linear map cannot see by each estimator, the others by one of
    # each kind: the rest differ from these by a formula
    as_users(
      name,
      shape,
      also=("neighbors",),
      marks=[]
      if shape == "xor" or name in ("mine", "classifier", "neighbors")
      else [pytest.mark.slow],
    )
    for name in GENERAL
    for shape in ("warped", "multimodal", "xor")
  ],
)
def test_shapes_no_linear_probe_would_see(name, shape):
  p = problems.problem(shape, 3, n=2000, d=2, classes=2, level=0.6)
  # log 2 at most, of which a linear probe sees little in the last two
  check(name, estimate(name, p.t, p.y), p.truth, p.error, shortfall=0.1)


@pytest.mark.numbers
def test_usable_information_of_a_family():
  """A linear probe sees all of what is linear, and nothing of an XOR."""
  p = problems.problem("mixture", 0, n=2000, d=3, classes=4, level=0.5)
  check("linear", estimate("linear", p.t, p.y), p.truth, p.error)
  check("mlp", estimate("mlp", p.t, p.y), p.truth, p.error)
  generator = np.random.default_rng(0)
  signs = generator.choice([-1.0, 1.0], (2000, 2))
  y = (signs.prod(1) > 0).astype(int)
  t = signs + 0.2 * generator.standard_normal(signs.shape)
  assert abs(estimate("linear", t, y).nats[0]) < 0.02
  check("mlp", estimate("mlp", t, y), np.log(2))


def test_layers_fitted_some_at_a_time_give_what_they_give_in_turn(monkeypatch):
  generator = np.random.default_rng(4)
  y = generator.integers(0, 3, 400)
  layers = [generator.standard_normal((400, d)) + y[:, None] for d in (2, 5, 3)]
  found = []
  for cores in (1, 3):
    monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
    found.append(
      information_estimate.mutual_information(
        jax.random.key(0), layers, y, estimator="mine", steps=40
      )
    )
  for first, second in zip(*found, strict=True):
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
  "name", [as_users(n, also=("nwj", "infonce", "smile")) for n in FOR_LABELS]
)
def test_independent_function_and_xor_in_one_stack_of_unequal_layers(name):
  generator = np.random.default_rng(3)
  n = 2000
  y = generator.integers(0, 2, n)
  signs = generator.choice([-1.0, 1.0], (n, 2))
  signs[:, 1] = signs[:, 0] * (2 * y - 1)  # each alone says nothing
  noisy = generator.standard_normal((n, 4))
  if name == "plugin":
    noisy = (noisy > 0).astype(float)
  stack = [noisy, np.eye(2)[y], signs]
  truth = np.array([0.0, np.log(2), np.log(2)])
  if name == "linear":
    truth[2] = 0.0
  if name == "neighbors":  # of continuous T: distances of zero mean nothing
    stack = [t + 0.01 * generator.standard_normal(t.shape) for t in stack]
  found = information_estimate.mutual_information(
    jax.random.key(0), stack, y, estimator=name
  )
  check(name, found, truth)
  if name != "neighbors":
    assert "saturated at H(Y)" in found.warnings[1]
  assert "not told from its floor" in found.warnings[0]


@pytest.mark.parametrize(
  "name, rho, d, n",
  [
    # the floor below is that of no correlation
    *(
      as_users(n, 0.8, 2, 1000, also=("mine",))
      for n in ("mine", "neighbors", "copula")
    ),
    *(
      pytest.param(name, *case, 2000, marks=pytest.mark.slow)
      for case in ((0.0, 2), (0.5, 1))
      for name in FOR_VALUES
    ),
  ],
)
def test_correlated_gaussians_with_float_targets(name, rho, d, n):
  t, y, truth = problems.gaussians(5, n=n, d=d, rho=rho)
  found = estimate(name, t, y, **({} if name in DIRECT else SHORT))
  # the marginal is an average over shifted pairings, its error in the interval
  check(name, found, truth, shortfall=0.1)
  assert found.ceiling is None
  if name != "infonce":
    assert not any("saturated" in w for w in found.warnings[0])


def test_neighbors_equal_scikit_learn_on_one_feature():
  from sklearn import feature_selection

  for seed in range(3):
    p = problems.problem("mixture", seed, n=800, d=2, classes=3, level=0.5)
    column = p.t[:, :1]
    theirs = feature_selection.mutual_info_classif(
      preparation.ranked(column), p.y, discrete_features=False, random_state=0
    )[0]
    assert abs(estimate("neighbors", column, p.y).nats[0] - theirs) < 4e-3


def test_copula_knows_gaussians_through_any_monotone_map():
  for seed in range(3):
    t, y, truth = problems.gaussians(seed, n=1000, d=6, rho=0.7)
    plain = estimate("copula", t, y)
    assert abs(plain.nats[0] - truth) < 0.15
    warped = estimate("copula", np.sinh(t), np.exp(y))
    # up to the ties that rounding makes
    np.testing.assert_allclose(warped.nats, plain.nats, atol=1e-4)
    # columns that repeat others or say nothing change nothing
    more = np.hstack([t, t[:, :2], np.ones((len(t), 1))])
    again = estimate("copula", more, y)
    np.testing.assert_allclose(again.nats, plain.nats, atol=1e-6)
  few = estimate("copula", t[:40], np.random.default_rng(0).random((40, 20)))
  assert np.isnan(few.nats[0]) and "more than half of 40" in few.warnings[0][0]
  unbiased = [
    estimate("copula", *problems.gaussians(s, n=100, d=8, rho=0.0)[:2]).nats[0]
    for s in range(40)
  ]
  assert abs(np.mean(unbiased)) < 4 * np.std(unbiased) / np.sqrt(40)
  with pytest.raises(ValueError, match="float targets"):
    estimate("copula", t, (y[:, 0] > 0).astype(int))


def test_plugin_counts_and_refuses_what_it_cannot_count():
  generator = np.random.default_rng(0)
  y = generator.integers(0, 3, 6000)
  flip = generator.random(6000) < 0.2
  t = np.where(flip, generator.integers(0, 3, 6000), y)[:, None]
  keep = 0.8 + 0.2 / 3
  change = (1 - keep) / 2
  truth = np.log(3) + keep * np.log(keep) + 2 * change * np.log(change)
  check("plugin", estimate("plugin", t, y), truth)
  found = estimate("plugin", generator.standard_normal((6000, 1)), y)
  assert np.isnan(found.nats[0]) and "cells" in found.warnings[0][0]


def test_infonce_cannot_exceed_the_log_of_its_batch():
  y = np.arange(4000) % 100
  np.random.default_rng(0).shuffle(y)
  t = np.eye(100)[y]
  found = estimate("infonce", t, y, negatives=7, width=128)
  assert found.cap == pytest.approx(np.log(8))
  assert found.nats[0] <= found.cap + 1e-5
  assert any("its cap" in w for w in found.warnings[0])
  few = estimate("infonce", t[:400], np.arange(400) % 4, steps=2)
  assert few.cap == pytest.approx(np.log(100))  # rows of a part


@pytest.mark.slow
def test_small_samples_do_not_read_information_into_noise():
  """The usual way reports 1.7 nats here; the truth is 0."""
  generator = np.random.default_rng(7)
  stack = generator.standard_normal((6, 500, 16)).astype(np.float32)
  y = generator.integers(0, 10, 500)
  for name in [*TRAINED, "neighbors"]:
    found = information_estimate.mutual_information(
      jax.random.key(0), stack, y, estimator=name
    )
    # six layers, none above zero by more than its error
    assert (found.nats < ERRORS * found.interval + 0.03).all(), name
    assert all("not told from its floor" in w for w in found.warnings), name
  assert any(
    "n too small" in w for w in estimate("mine", stack[0], y).warnings[0]
  )


@pytest.mark.parametrize(
  "name, critic",
  [
    pytest.param(
      name,
      critic,
      # each way to pair samples once; what is left differs by a formula, which
      # the other critic has too
      marks=[pytest.mark.slow]
      if critic == "concatenated" and name != "classifier"
      else [],
    )
    for name in ("mine", "nwj", "infonce", "smile", "jsd", "classifier")
    for critic in critics.KINDS
  ],
)
def test_every_estimator_by_every_critic(name, critic):
  """Right, deterministic by key, indifferent to units, order and type."""
  # a concatenated critic passes each sample with every other
  n = 600 if critic == "concatenated" and name != "classifier" else 1200
  p = problems.problem("mixture", 1, n=n, d=2, classes=2, level=0.5)
  steps = 150 if critic == "labels" or name == "classifier" else 50
  options = {"critic": critic, "steps": steps, "folds": 2}

  def run(t=p.t, y=p.y, key=0):
    return estimate(name, t, y, key=key, **options)

  first = run()
  check(name, first, p.truth, p.error, shortfall=0.12)
  assert run(key=1).nats[0] != first.nats[0]
  within = 2 * first.interval[0]
  np.testing.assert_allclose(run(100 * p.t - 7).nats, first.nats, atol=within)
  order = np.random.default_rng(0).permutation(len(p.y))
  shuffled = run(p.t[order], p.y[order])
  np.testing.assert_allclose(shuffled.nats, first.nats, atol=within)
  # the same numbers of another type, and other names of the classes
  again = run(p.t.astype(np.float64), p.y + 5)
  np.testing.assert_array_equal(again.nats, first.nats)
  constant = run(np.ones_like(p.t))
  assert abs(constant.nats[0]) < 0.02


@pytest.mark.parametrize("name", FOR_LABELS)
def test_one_class_and_constant_features_hold_nothing(name):
  generator = np.random.default_rng(0)
  t = generator.standard_normal((200, 3))
  if name == "plugin":
    t = t > 0
  one = estimate(name, t, np.zeros(200, int), steps=20)
  assert abs(one.nats[0]) < 0.02 and one.ceiling == 0
  y = generator.integers(0, 2, 200)
  still = estimate(name, np.ones((200, 3)), y, steps=20)
  assert abs(still.nats[0]) < 0.1


@pytest.mark.parametrize("name", ["neighbors", "plugin", "copula"])
def test_estimators_without_training_are_indifferent_to_units_and_order(name):
  generator = np.random.default_rng(0)
  t, y, _ = problems.gaussians(0, n=400, d=2, rho=0.7)
  if name != "copula":
    y = (y[:, 0] > 0).astype(int)
  if name == "plugin":
    t = np.round(t)
  first = estimate(name, t, y)
  order = generator.permutation(400)
  for again in (
    estimate(name, 8 * t - 2, y),  # exact in float32
    estimate(name, t[order], y[order]),
    estimate(name, t.astype(np.float64), y, key=7),
  ):
    np.testing.assert_allclose(again.nats, first.nats, atol=1e-6)
    np.testing.assert_allclose(again.interval, first.interval, atol=1e-6)


def test_classes_that_are_numbered_oddly_are_counted_once():
  p = problems.problem("mixture", 1, n=400, d=2, classes=2, level=0.5)
  a, b = (estimate("mine", p.t, y, steps=40) for y in (p.y, 1000 * p.y - 3))
  np.testing.assert_array_equal(a.nats, b.nats)


def test_an_influence_is_pure_and_maps():
  """jit, vmap: what the programs of `fitting` are made of."""
  t, y = jnp.ones((6, 3)), jnp.arange(6) % 2
  prior = jnp.array([0.5, 0.5])
  for name in TRAINED:
    bound = information.ESTIMATORS[name](2)
    assert isinstance(bound, base.Bound)
    params = bound.init(jax.random.key(0), t, y)
    plain = bound.influence(params, t, y, prior)
    many = jax.tree.map(lambda a: jnp.stack([a, a]), params)
    mapped = jax.jit(jax.vmap(bound.influence, in_axes=(0, None, None, None)))
    np.testing.assert_allclose(mapped(many, t, y, prior)[1], plain, atol=1e-6)
    assert np.abs(plain.mean()) < 0.01  # untrained: nothing


@pytest.mark.numbers
def test_the_gradient_of_mine_is_over_its_running_average():
  """Which is a number: by itself the second term would have no gradient."""
  generator = np.random.default_rng(0)
  t, y = jnp.asarray(generator.standard_normal((20, 3))), jnp.arange(20) % 2
  prior = jnp.array([0.5, 0.5])
  bound = information.ESTIMATORS["mine"](2)
  critic = critics.build("", 2, 64)
  params = bound.init(jax.random.key(0), t, y)

  def terms(params):
    scores = critic.scores(params, t, y, prior)
    joint = jnp.mean(scores.joint)
    return joint, jnp.exp(bounds._log_mean(scores.log_ratio()))

  average = 0.1
  _, now = terms(params)
  decay = bounds._DECAY
  over = decay * average + (1 - decay) * now
  wanted = jax.grad(lambda p: terms(p)[1] / over - terms(p)[0])(params)
  found, after = jax.grad(bound.loss, has_aux=True)(
    params, jnp.log(average), t, y, prior
  )
  # float32 sums of order one in another order
  assert float(after) == pytest.approx(float(jnp.log(over)), abs=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, wanted
  )


@pytest.mark.numbers
def test_a_contrastive_bound_with_all_negatives_is_the_classifier_bound():
  """The identity that the docstring of `classifier` states."""
  p = problems.problem("mixture", 1, n=512, d=2, classes=3, level=0.5)
  t, y = jnp.asarray(p.t), jnp.asarray(p.y)
  prior = jnp.bincount(y, length=3) / len(y)
  ours, theirs = bounds.classifier(3), bounds.infonce(3, negatives=len(y) - 1)
  params = ours.init(jax.random.key(0), t, y)
  # the classifier adds log p(y) to its logits: f = logits there
  np.testing.assert_allclose(
    jnp.mean(ours.influence(params, t, y, prior)),
    jnp.mean(theirs.influence(params, t, y, prior)),
    atol=1e-5,
  )


def test_every_row_is_reported_once_by_a_critic_that_never_saw_it():
  for n in (40, 41, 43, 1000):
    reported = []
    for fold in range(information_fitting.BLOCKS):
      fitting, stopping, reporting = information_fitting.parts(n, fold)
      together = np.concatenate([fitting, stopping, reporting])
      np.testing.assert_array_equal(np.sort(together), np.arange(n // 4 * 4))
      reported.append(reporting)
    every = np.sort(np.concatenate(reported))
    np.testing.assert_array_equal(every, np.arange(n // 4 * 4))


def test_padding_changes_nothing_and_projection_is_that_of_the_fitting_rows():
  generator = np.random.default_rng(0)
  narrow = generator.standard_normal((200, 3))
  shared = generator.standard_normal((200, 3)) @ generator.random((3, 97))
  wide = shared + 0.3 * generator.standard_normal((200, 97))
  layers = [projection.reduce(t, 5, 4) for t in (narrow, wide)]
  first, second = projection.stacks(layers, folds=4)
  columns, _ = preparation.scaled(narrow)
  np.testing.assert_array_equal(
    first.features[0], preparation.with_ranks(columns)
  )
  assert second.features.shape == (1, 4, 200, 10)
  assert 0.7 < layers[1].kept_variance < 1 and layers[1].kept_width == 5
  scaled = preparation.clipped(preparation.scaled(wide)[0])
  for fold in range(4):
    rows = information_fitting.parts(200, fold)[0]
    centred = scaled - scaled[rows].mean(0)
    _, _, axes = np.linalg.svd(centred[rows], full_matrices=False)
    scores = centred @ axes[:3].T
    scores = (scores - scores.mean(0)) / scores.std(0)
    ours = np.abs(second.features[0, fold, :, :3])
    inside = np.abs(scores) < preparation.CLIP
    assert np.abs(ours - np.abs(scores))[inside].max() < 2e-2


@pytest.mark.parametrize(
  "name, critic",
  [
    ("classifier", "labels"),
    ("mine", "labels"),
    pytest.param("classifier", "concatenated", marks=pytest.mark.slow),
    pytest.param("mine", "concatenated", marks=pytest.mark.slow),
  ],
)
def test_a_layer_reads_the_same_alone_among_wider_ones_and_in_chunks(
  name, critic, monkeypatch
):
  generator = np.random.default_rng(0)
  y = generator.integers(0, 3, 400)
  narrow = generator.standard_normal((400, 3)) + 0.7 * y[:, None]
  wide = generator.standard_normal((400, 20)) + 0.2 * y[:, None]

  def nats(*members):
    key = jax.random.key(0)
    options = {"estimator": name, "critic": critic, "steps": 80}
    return information_estimate.mutual_information(
      key, members, y, **options
    ).nats

  alone, together = nats(narrow), nats(narrow, wide, narrow)
  np.testing.assert_allclose(together[[0, 2]], alone[0], atol=1e-3)
  monkeypatch.setattr(information_fitting, "AT_ONCE", 2 * 5 * 400 * 20)
  np.testing.assert_allclose(nats(narrow, wide, narrow), together, atol=1e-3)


@pytest.mark.numbers
def test_a_layer_that_is_the_label_reaches_the_ceiling_with_many_classes():
  """Class shares are those of all rows: no part is short of H(Y)."""
  y = np.random.default_rng(0).integers(0, 20, 400)
  found = estimate("classifier", 5 * np.eye(20)[y], y)
  assert found.nats[0] == pytest.approx(found.ceiling, abs=0.03)
  assert any("saturated at H(Y)" in w for w in found.warnings[0])


def test_neighbours_say_when_they_are_far():
  """(k / m)^(1 / d): 3 of 1,000 samples a class, in 4 columns and in 9."""
  reason = nonparametric.neighbors(2).reason
  y = np.arange(2000) % 2
  t = np.random.default_rng(0).standard_normal((2000, 9))
  assert reason(t[:, :4], y) == ""
  assert "in 9 columns a neighbour is 52% of the layer away" in reason(t, y)
  with pytest.raises(ValueError, match="k is 60; it must be below the 60"):
    estimate("neighbors", t[:60], t[:60], k=60)


def test_neighbours_are_counted_alike_by_products_and_by_differences(
  monkeypatch,
):
  generator = np.random.default_rng(0)
  y = generator.integers(0, 3, 300)
  t = generator.standard_normal((300, 12)) + 0.5 * y[:, None]
  estimate = nonparametric.neighbors(3).influence
  products = estimate(t, y)
  monkeypatch.setattr(nonparametric, "_EXACT", 20)
  np.testing.assert_allclose(estimate(t, y), products, atol=1e-9)
  monkeypatch.setattr(nonparametric, "_AT_ONCE", 300 * 7)
  np.testing.assert_allclose(estimate(t, y), products, atol=1e-9)


def test_many_rows_are_projected_as_few_are(monkeypatch):
  """The randomised SVD beside the Gram matrix; an estimate takes either."""
  generator = np.random.default_rng(0)
  scales = 10 * 0.8 ** np.arange(100)
  t = (generator.standard_normal((400, 100)) * scales).astype(np.float32)
  few, share = projection.project(t, 8, 4)
  monkeypatch.setattr(projection, "_ROWS", 100)
  many, other_share = projection.project(t, 8, 4)
  assert many.shape == few.shape == (4, 400, 8)
  np.testing.assert_allclose(other_share, share, rtol=1e-3)
  np.testing.assert_allclose(np.abs(many), np.abs(few), atol=0.02 * scales[0])
  layer = projection.reduce(t, 8)
  y = (t[:, 0] > 0).astype(int)
  for name in ("classifier", "neighbors"):
    found = (
      information_estimate.mutual_information(
        jax.random.key(0), [layer], y, estimator=name, width=8, steps=50
      )
      if name == "classifier"
      else information_estimate.mutual_information(
        jax.random.key(0), [layer], y, estimator=name
      )
    )
    assert found.kept_width[0] == 8
    assert found.kept_variance[0] == layer.kept_variance < 1
    assert any("variance not seen" in w for w in found.warnings[0])


def test_the_loss_by_projection_is_measured():
  """The label sits on the weakest directions, which a projection drops."""
  generator = np.random.default_rng(0)
  y = generator.integers(0, 2, 800)
  # four directions that eight columns share, and one column apart from them
  shared = generator.standard_normal((800, 4))
  shared = shared @ generator.standard_normal((4, 8))
  loud = shared + 0.02 * generator.standard_normal((800, 8))
  quiet = loud[:, :1] + 0.3 * (2 * y[:, None] - 1)
  place = probe.Place("0", 0, "input")
  found = probe.probe(
    jax.random.key(0),
    [[(place, np.concatenate([loud, quiet], 1))]],
    y,
    estimators=[("classifier", "classifier", {})],
    width=4,
    steps=200,
  )
  assert found[0]["nats"] < 0.1 < 0.5 < found[0]["projection_loss"]
  assert found[0]["kept_variance"] > 0.4
  assert 0 < found[0]["fold_interval"] < 0.2


@pytest.mark.numbers
def test_input_information_of_a_noisy_layer():
  """Gaussian X and T = X + Z: log sqrt(1 + 1 / s^2) by the closed form."""
  x = np.random.default_rng(0).standard_normal((2000, 1))
  for share in (0.5, 1.0, 2.0):
    nats, error = input_information.input_information(
      jax.random.key(0), x, share
    )
    truth = 0.5 * np.log(1 + 1 / share**2)
    # the mixture of n points stands for the density: a bias of order 1 / n
    assert abs(nats - truth) < 4 * error + 0.02
  with pytest.raises(ValueError, match="must be > 0"):
    input_information.input_information(jax.random.key(0), x, 0.0)


@pytest.mark.numbers
def test_input_information_of_a_wide_layer_with_little_noise():
  """Two values in many columns: log 2, where single precision cancels."""
  generator = np.random.default_rng(0)
  two = np.repeat(generator.standard_normal((2, 16384)), 30, axis=0)
  nats, error = input_information.input_information(
    jax.random.key(0), two, 0.01
  )
  assert abs(nats - np.log(2)) < 1e-3 and error < 1e-3
  all_apart = generator.standard_normal((60, 4096))
  nats, _ = input_information.input_information(
    jax.random.key(0), all_apart, 0.01
  )
  assert abs(nats - np.log(60)) < 1e-4


def test_caveats_name_what_is_wrong():
  found = estimate(
    "mine", np.random.default_rng(0).random((40, 60)), np.arange(40) % 2
  )
  assert any("n too small" in w for w in found.warnings[0])
  quiet = base.MIEstimate(
    *(np.array([v]) for v in (5.0, 0.1, 0.0, 0.1)),
    folds=np.zeros((1, 1)),
    fitted=np.array([5.1]),
    ceiling=9.0,
    cap=None,
    n=40,
    kept_width=np.array([1]),
    kept_variance=np.ones(1),
    clipped=np.zeros(1),
    warnings=(),
  )
  assert caveats.of(quiet, [""]) == (("above log n: 3.7",),)
  said = caveats.of(quiet._replace(fitted=np.array([6.0])), ["odd"])[0]
  assert said[0] == "odd" and "how much is missing here is not known" in said[2]
  some = lambda **fields: caveats.of(
    quiet._replace(n=10**6, **{k: np.array([v]) for k, v in fields.items()}),
    [""],
  )[0]
  assert some() == ()
  assert "above H(Y)" in some(nats=9.2)[0]
  assert "saturated at H(Y)" in some(nats=9.05)
  assert "below zero: -0.30" in some(nats=-0.3)[0]
  assert some(floor=-0.2) == ("floor away from zero: -0.20",)
  assert some(clipped=0.03) == ("cells far outside: 3%",)
  assert some(kept_variance=0.6) == ("variance not seen: 40.0%",)


def test_what_own_rows_read_and_the_warning_that_comes_of_it():
  """Nothing is there: own rows invent it, and the warning says so."""
  generator = np.random.default_rng(0)
  y = generator.integers(0, 10, 4000)
  t = generator.standard_normal((4000, 16))
  few = estimate("classifier", t[:400], y[:400], steps=400)
  many = estimate("classifier", t, y, steps=400)
  assert few.fitted[0] > 1.0 > abs(few.nats[0]) + 0.9
  assert any("n too small" in w for w in few.warnings[0])
  assert many.fitted[0] < 0.5 * few.fitted[0]
  clear = estimate("classifier", 3 * np.eye(10)[y], y)
  assert clear.fitted[0] == pytest.approx(clear.nats[0], abs=0.05)
  assert not any("n too small" in w for w in clear.warnings[0])


@pytest.mark.parametrize(
  "features, targets, words",
  [
    (np.zeros((2, 50, 3)), np.zeros(49, int), r"must be \[layers, n, d\]"),
    (np.zeros((2, 30, 3)), np.zeros(30, int), "at least 40"),
    (np.zeros((2, 50, 3)), np.arange(50) % 26, "fewer than two a class"),
    (np.full((1, 50, 3), np.nan), np.zeros(50, int), "not finite"),
    (np.zeros((1, 50, 3)), np.full(50, np.nan), "integers or finite floats"),
  ],
)
def test_bad_input_is_refused(features, targets, words):
  with pytest.raises(ValueError, match=words):
    information_estimate.mutual_information(
      jax.random.key(0), features, targets
    )


def test_bad_options_are_refused():
  t = np.zeros((1, 50, 2), np.float32)
  y = np.arange(50) % 2
  key = jax.random.key(0)
  for options, targets, words in (
    ({"estimator": "classifier"}, t[0], "take 'mine'"),
    ({"estimator": "plugin"}, t[0], "take 'neighbors'"),
    ({"estimator": "mime"}, y, "did you mean 'mine'"),
    ({"estimator": "mine", "critic": "label"}, y, "take one of labels"),
    ({"estimator": "mine", "critic": "labels"}, t[0], "needs integer targets"),
    ({"estimator": "mine", "folds": 5}, y, "take 1 to 4"),
    ({"estimator": "neighbors", "k": 0}, y, "at least 1"),
    ({"estimator": "classifier", "family": "x"}, y, "both, linear, mlp"),
  ):
    with pytest.raises(ValueError, match=words):
      information_estimate.mutual_information(key, t, targets, **options)
