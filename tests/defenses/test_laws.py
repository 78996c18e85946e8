"""Noise, compression, codes, penalties: the laws they follow."""

import functools
import math
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from scipy import stats
from tests.helpers import examples
from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.defenses import chain
from vfl_jax.defenses import compression
from vfl_jax.defenses import lcd
from vfl_jax.defenses import marvell
from vfl_jax.defenses import ppdl
from vfl_jax.defenses import representation
from vfl_jax.federation import messages
from vfl_jax.federation import optimizers
from vfl_jax.federation import protocol
from vfl_jax.federation import split
from vfl_jax.models import perceptron
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees
from tests.helpers import defended


def sent(name, message, key=0, labels=None, steps=1, **options):
  """What a gradient defence makes of one party's message, step by step."""
  transformation = defenses.build(name, **options).gradient
  rows = jnp.arange(len(message))

  @jax.jit  # one program instead of one an operation
  def start(key):
    return transformation.init(base.Start(key, (message,), len(message)))

  @jax.jit
  def update(state):
    return transformation.update((message,), state, labels=labels, rows=rows)

  state, found = start(jax.random.key(key)), []
  for _ in range(steps):
    (out,), state = update(state)
    found.append(np.asarray(out))
  return found[0] if steps == 1 else found


@functools.lru_cache
def encoded(classes, seed):
  """What `cae` prepares for labels 0, 1, ..., 0, 1, ..."""
  labels = np.arange(5 * classes) % classes
  built = defenses.build("cae")
  return built.prepare(rng.root(seed), base.Secrets(labels, classes))


@pytest.mark.parametrize(
  ("name", "law"),
  [
    ("gaussian", stats.norm(scale=0.5)),
    ("laplace", stats.laplace(scale=0.5)),
  ],
)
def test_noise_has_the_stated_law_and_keys_differ(name, law):
  zeros = jnp.zeros((200, 100))
  first, second = sent(name, zeros, scale=0.5, steps=2)
  other = sent(name, zeros, key=1, scale=0.5)
  # P(sqrt(n) D > 1.95) is .001 (Kolmogorov)
  bound = 1.95 / math.sqrt(first.size)
  for draw in (first, second, other):
    assert stats.kstest(draw.ravel(), law.cdf).statistic < bound
  for a, b in ((first, second), (first, other)):
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.04  # 5 / sqrt(n)


def test_clipping_is_per_row_in_the_norm_of_its_noise():
  rows = jnp.stack([jnp.full(400, 5.0), jnp.full(400, 1e-3)])
  for name, norm in (("gaussian", 2), ("laplace", 1)):
    clipped = sent(name, rows, scale=0.0, clip=1.0)
    size = np.linalg.norm(clipped, ord=norm, axis=1)
    assert size[0] == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(clipped[1], rows[1])


def test_isotropic_noise_has_the_largest_norm_of_the_batch():
  g = defended.normal((4000, 50)).at[0].set(10.0)
  noise = sent("isotropic", g, ratio=2.0) - g
  largest = float(jnp.linalg.norm(g, axis=1).max())
  # the deviation of n = 200,000 draws: relative error 1 / sqrt(2n) = .0016
  assert noise.std() == pytest.approx(2 * largest / math.sqrt(50), rel=0.01)


@pytest.mark.parametrize("noise", ["along", "isotropic"])
def test_max_norm_gives_every_row_the_largest_expected_square(noise):
  row = defended.normal((1, 20))
  g = jnp.concatenate([jnp.tile(row, (20000, 1)), 3 * row])
  out = sent("max_norm", g, noise=noise)
  squares = (out[:-1] ** 2).sum(1)
  expected = float((9 * row**2).sum())
  assert abs(squares.mean() - expected) < 5 * squares.std() / math.sqrt(20000)
  np.testing.assert_allclose(out[-1], g[-1], rtol=1e-5)  # the largest stays
  cosines = out[:-1] @ np.asarray(row[0])
  cosines /= np.linalg.norm(out[:-1], axis=1) * np.linalg.norm(row)
  if noise == "along":
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-4)
  else:
    assert np.abs(cosines).mean() < 0.9


def test_perpendicular_noise_is_orthogonal_and_of_a_uniform_norm():
  g = defended.normal((5000, 30))
  noise = sent("perpendicular", g) - g
  along = (noise * g).sum(1) / (
    np.linalg.norm(noise, axis=1) * np.linalg.norm(g, axis=1)
  )
  assert np.abs(along).max() < 1e-4
  size = np.linalg.norm(noise, axis=1) / np.linalg.norm(g, axis=1).max()
  law = stats.uniform(1, 9)
  assert stats.kstest(size, law.cdf).statistic < 1.95 / math.sqrt(5000)


def test_grad_perturb_is_the_sum_over_the_gradients_of_all_classes():
  """g + sum_c u_c g^(c) by one pass equals the sum by one pass per class."""
  model, inputs = examples.build(
    "mlp", 2, "none", defended.CLASSES, defended.BATCH
  )
  net = split.at(model, 2, 2)
  variables = net.init(rng.root(0), inputs)
  h = tuple(
    net.bottom(v, x)[0]
    for v, x in zip(variables["bottoms"], inputs, strict=True)
  )
  labels = jnp.arange(defended.BATCH) % defended.CLASSES

  @functools.partial(jax.jit, static_argnums=1)
  def sent(weights, passive=None):
    release = messages.Release(weights, passive)
    return protocol.active_step(
      net, variables["top"], h, labels, release=release
    )

  plain = protocol.active_step(net, variables["top"], h, labels)
  u = defended.normal((defended.BATCH, defended.CLASSES))
  shares = jax.nn.one_hot(labels, defended.CLASSES)
  noisy = sent(shares + u)
  by_class = [
    sent(jnp.zeros((defended.BATCH, defended.CLASSES)).at[:, c].set(u[:, c]))[1]
    for c in range(defended.CLASSES)
  ]
  for k in range(2):
    whole = plain[1][k] + sum(part[k] for part in by_class)
    np.testing.assert_allclose(noisy[1][k], whole, atol=1e-5)
  # the top learns from the labels, and so does the party it is not against
  for mine, truly in zip(
    jax.tree.leaves(noisy[0]), jax.tree.leaves(plain[0]), strict=True
  ):
    np.testing.assert_array_equal(mine, truly)
  np.testing.assert_array_equal(sent(shares + u, 1)[1][1], plain[1][1])


def test_grad_perturb_noise_is_laplace_by_class():
  moment = base.Moment(jax.random.key(0), jnp.float32(0), jnp.arange(5000))
  release = defenses.build("grad_perturb").release
  noise = np.asarray(release(moment, jnp.zeros((5000, defended.CLASSES))))
  law = stats.laplace(scale=2.0)
  bound = 1.95 / math.sqrt(noise.size)
  assert stats.kstest(noise.ravel(), law.cdf).statistic < bound


@pytest.mark.parametrize("share", [0.75, 0.5, 0.25, 0.1])
@pytest.mark.parametrize("over", ["batch", "row"])
def test_compression_keeps_its_share_exactly_and_the_largest(share, over):
  g = defended.normal((32, 40))
  out = sent("compression", g, share=share, over=over)
  kept = out != 0
  np.testing.assert_array_equal(out[kept], np.asarray(g)[kept])
  if over == "row":
    assert (kept.sum(1) == round(share * 40)).all()
    pairs = zip(np.abs(g), kept, strict=True)
  else:
    assert kept.sum() == round(share * g.size)
    pairs = [(np.abs(g).ravel(), kept.ravel())]
  for size, mine in pairs:
    assert size[mine].min() >= size[~mine].max()


def test_ties_are_broken_to_an_exact_count():
  mask = compression.largest(jnp.ones((3, 10)), 4)
  assert (np.asarray(mask).sum(1) == 4).all()
  size = jnp.asarray([[0.0, 0.0, 2.0, 0.0]])
  assert np.asarray(compression.largest(size, 2)).sum() == 2


def test_sparsification_owes_what_it_did_not_send():
  """All that was sent and what is still owed is all that came, per row."""
  g = defended.normal((16, 10))
  for residual in ("row", "position"):
    out = sent("sparsification", g, share=0.3, residual=residual, steps=4)
    assert all((o != 0).sum() == round(0.3 * g.size) for o in out)
    transformation = defenses.build(
      "sparsification", share=0.3, residual=residual
    ).gradient
    state = transformation.init(base.Start(jax.random.key(0), (g,), 16))
    total = 0
    for _ in range(4):
      (o,), state = transformation.update((g,), state, rows=jnp.arange(16))
      total = total + o
    np.testing.assert_allclose(total + state[0], 4 * g, rtol=1e-4, atol=1e-5)


def test_what_a_row_is_owed_follows_the_row_and_not_its_place():
  transformation = defenses.build("sparsification", share=0.5).gradient
  state = transformation.init(
    base.Start(jax.random.key(0), (jnp.zeros((2, 2)),), 4)
  )
  first = jnp.asarray([[3.0, 1.0], [2.0, 0.5]])
  (out,), state = transformation.update((first,), state, rows=jnp.array([0, 3]))
  np.testing.assert_array_equal(out, [[3, 0], [2, 0]])
  nothing = jnp.zeros((2, 2))
  (out,), _ = transformation.update((nothing,), state, rows=jnp.array([3, 1]))
  np.testing.assert_array_equal(out, [[0, 0.5], [0, 0]])


@pytest.mark.parametrize("n", [2, 3, 64, 65, 1000])
def test_an_order_holds_every_number_once_and_differs_by_key(n):
  many = jax.jit(jax.vmap(lambda key: ppdl.shuffled(key, n)))
  orders = np.asarray(many(jax.vmap(jax.random.key)(np.arange(200))))
  for order in orders:
    np.testing.assert_array_equal(np.sort(order), np.arange(len(order)))
  kept = np.stack([order[order < n] for order in orders])
  assert kept.shape == (200, n)
  if n >= 64:  # who comes first is uniform: chi-squared over eight parts
    parts = np.bincount(kept[:, 0] * 8 // n, minlength=8)
    assert stats.chisquare(parts).pvalue > 1e-4
    ranks = np.corrcoef(kept[:-1].ravel(), kept[1:].ravel())[0, 1]
    assert abs(ranks) < 5 / math.sqrt(199 * n)


@pytest.mark.parametrize("clip", [True, False])
def test_levels_are_exact(clip):
  g = 0.02 * defended.normal((50, 40))
  out = sent("discrete", g, bound=0.03, bins=6, clip=clip)
  levels = out / 0.01
  np.testing.assert_allclose(levels, np.round(levels), atol=1e-5)
  assert (np.abs(out).max() <= 0.03 + 1e-7) == clip
  inside = np.abs(g) <= 0.03
  assert np.abs(out - g)[inside].max() <= 0.005 + 1e-7


def test_sign_and_average():
  g = defended.normal((8, 5))
  out = sent("sign", g)
  np.testing.assert_array_equal(np.sign(out), np.sign(g))
  np.testing.assert_allclose(np.abs(out), np.abs(g).mean(), rtol=1e-6)
  np.testing.assert_array_equal(sent("sign", g, size=2.0), 2 * np.sign(g))
  np.testing.assert_allclose(
    sent("average", g), np.tile(np.mean(g, 0), (8, 1)), rtol=1e-5
  )


def test_ppdl_is_the_published_walk():
  """Never more than its share nor its bound; without noise, the threshold."""
  g = 1e-3 * defended.normal((6, 8))
  share, clip, tau = 0.5, 1e-3, 1e-4
  out = sent("ppdl", g, share=share)
  assert np.abs(out).max() <= clip + 1e-9
  assert 0 < (out != 0).sum() <= round(share * g.size)
  # with hardly any noise: the elements over the threshold, in a random order
  over = np.abs(np.asarray(g)) > tau
  exact = sent("ppdl", g, epsilon=1e10, share=1.0)
  np.testing.assert_array_equal(exact != 0, over)
  np.testing.assert_allclose(
    exact[over], np.clip(np.asarray(g)[over], -clip, clip), atol=1e-6
  )


@pytest.mark.parametrize("n", [37, 64])
def test_a_walk_changes_its_gate_behind_those_that_pass(n):
  generator = np.random.default_rng(0)
  size, gates = np.float32(generator.normal(size=(2, n)))
  order = np.asarray(ppdl.shuffled(jax.random.key(1), n))
  for count in (1, 9, n):
    gate, expected = np.float32(0.1), np.zeros(n, bool)
    for place in order[order < n]:
      if size[place] >= gate and expected.sum() < count:
        expected[place], gate = True, gates[place]
    found = ppdl.walked(order, size, np.float32(0.1), gates, count)
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.sum() <= count


def test_marvell_finds_the_best_noise_there_is():
  """Against a search over its whole feasible set, four unknowns."""
  generator = np.random.default_rng(0)
  solve = jax.jit(
    lambda share, gap, u, v, d, power: marvell.solve(
      marvell.Statistics(share, gap, (u, v), d), power
    ),
    static_argnums=4,
  )
  for _ in range(60):
    share = generator.uniform(0.05, 0.95)
    u, v = 10 ** generator.uniform(-3, 1, 2)
    gap = 10 ** generator.uniform(-2, 1)
    d = int(generator.choice([1, 2, 10, 64]))
    allowed = gap * generator.choice([0.1, 1.0, 4.0, 25.0])
    about = marvell.Statistics(share, gap, (u, v), d)
    found = jax.tree.map(float, solve(share, gap, u, v, d, allowed))
    used = float(marvell.power(about, found))
    assert used <= allowed * (1 + 1e-4)
    for along, across in zip(found.along, found.across, strict=True):
      assert along >= across - 1e-9 * allowed >= -1e-6
    ours = float(marvell.divergence(about, found))
    best = brute_force(about, allowed, generator)
    assert ours <= best * 1.0001 + 1e-5


def brute_force(about, allowed, generator):
  """The least divergence found by random starts and a constrained search."""
  share, d = about.share, about.width

  def noise(z):
    # any z is feasible: shares of the power, each of along at least across
    z = np.exp(z - z.max())
    z = z / z.sum() * allowed
    across = z[0] / ((1 - share) * d), z[1] / (share * d)
    along = across[0] + z[2] / (1 - share), across[1] + z[3] / share
    return marvell.Noise(along, across)

  def value(z):
    return float(marvell.divergence(about, noise(z)))

  starts = generator.normal(0, 4, (200, 4))
  starts = sorted(starts, key=value)[:4]
  searched = [
    optimize.minimize(
      value, start, method="Nelder-Mead", options={"maxiter": 600}
    ).fun
    for start in starts
  ]
  return min(searched)


def test_marvell_hides_what_it_says_it_hides():
  """On gradients as it takes them to be, AUC stays below the bound."""
  from sklearn import metrics

  generator = np.random.default_rng(1)
  positive = np.arange(4000) % 4 == 0
  g = np.where(positive[:, None], 1.0, -0.3) + 0.2 * generator.normal(
    size=(4000, 8)
  )
  labels = jax.nn.one_hot(positive.astype(int), 2)
  bounds, measured = [], []
  for strength in (0.5, 2.0, 8.0):
    transformation = defenses.build("marvell", strength=strength).gradient
    message = (jnp.asarray(g, jnp.float32),)
    state = transformation.init(base.Start(jax.random.key(0), message, 4000))
    update = jax.jit(transformation.update)
    (out,), state = update(message, state, labels=labels)
    said = defenses.build("marvell").report(state)
    bounds.append(float(said["AUC bound"][0]))
    along = np.asarray(out) @ np.ones(8)
    measured.append(metrics.roc_auc_score(positive, along))
    power = ((np.asarray(out) - g) ** 2).sum(1).mean()
    gap = ((g[positive].mean(0) - g[~positive].mean(0)) ** 2).sum()
    assert power == pytest.approx(strength * gap, rel=0.15)
  assert bounds == sorted(bounds, reverse=True)
  # 4,000 rows: the error of an AUC is about .01
  assert all(m <= b + 0.03 for m, b in zip(measured, bounds, strict=True))


@pytest.mark.parametrize("taught", [True, False])
def test_rows_of_kdk_sum_to_one_with_the_truth_as_mode(taught):
  labels = np.arange(200) % 5
  # classes 0 and 1 look alike to the active party, 2, 3 and 4 too
  features = np.asarray(defended.normal((200, 6))) + 4 * (labels < 2)[:, None]
  secrets = base.Secrets(labels, 5, features if taught else None)
  targets = (
    defenses.build("kdk", k=2, epsilon=0.4)
    .prepare(rng.root(0), secrets)
    .targets
  )
  np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
  np.testing.assert_array_equal(targets.argmax(1), labels)
  assert ((targets > 0).sum(1) == 2).all()
  other = np.where(np.eye(5)[labels] > 0, 0, targets).argmax(1)
  alike = (other < 2) == (labels < 2)
  assert alike.mean() > 0.9 if taught else 0.2 < alike.mean() < 0.6


@pytest.mark.parametrize("classes", [2, 10])
def test_a_code_is_undone_on_argmax_and_hides_the_label(classes):
  prepared = encoded(classes, 1)
  labels = np.arange(len(prepared.targets)) % classes
  np.testing.assert_allclose(prepared.targets.sum(1), 1, rtol=1e-5)
  logits = jnp.log(prepared.targets + 1e-12)
  decode = jax.jit(defenses.build("cae").decode)
  decoded = np.asarray(decode(prepared.codes, logits))
  np.testing.assert_array_equal(decoded.argmax(1), labels)
  assert (prepared.targets.argmax(1) == labels).mean() < 0.6


def test_pairs_of_classes_that_look_alike_are_merged():
  labels = np.arange(400) % 4
  centres = np.array([[3, 0], [0, 3], [3.0, 0.5], [0.5, 3.0]])
  features = centres[labels] + 0.1 * np.asarray(defended.normal((400, 2)))
  merged = lcd.pairs(rng.root(0), base.Secrets(labels, 4, features))
  assert merged[0] == merged[2] and merged[1] == merged[3]
  assert merged[0] != merged[1]
  drawn = lcd.pairs(rng.root(0), base.Secrets(labels, 6))
  assert sorted(np.bincount(drawn)) == [2, 2, 2]


def test_lcd_trains_bottoms_on_merged_labels_and_then_no_more():
  learner, state, args = defended.federation(({"name": "lcd", "share": 0.5},))
  before = jax.tree.map(np.asarray, state["variables"])
  state, metrics = learner.epoch(state, *args, 0)  # progress 0 to .5
  middle = jax.tree.map(np.asarray, state["variables"])
  state, _ = learner.epoch(state, *args, 1)
  after = jax.tree.map(np.asarray, state["variables"])
  moved = lambda a, b, part: any(
    np.any(x != y)
    for x, y in zip(
      jax.tree.leaves(a[part]), jax.tree.leaves(b[part]), strict=True
    )
  )
  assert moved(before, middle, "bottoms") and moved(middle, after, "top")
  assert not moved(middle, after, "bottoms")
  assert np.isfinite(metrics["loss"]).all()


def test_a_silent_party_sends_what_it_sends_for_a_prediction():
  built, inputs = examples.build("mlp", 2, "batch", 4, defended.N)
  net = split.at(built, 2, 2)
  variables = net.init(rng.root(0), inputs)
  moved = jax.tree.map(
    lambda a: a + 0.5, variables["bottoms"]
  )  # statistics too
  variables = {**variables, "bottoms": moved}
  labels = jnp.arange(defended.N) % 4
  sent = {
    quiet: protocol.exchange(
      net,
      variables,
      inputs,
      labels,
      quiet=None if quiet is None else jnp.bool_(quiet),
    ).messages.embeddings
    for quiet in (None, False, True)
  }
  for k, x in enumerate(inputs):
    training, predicting = (
      net.bottom(moved[k], x, train=train)[0] for train in (True, False)
    )
    assert not np.allclose(training, predicting, atol=1e-2)
    np.testing.assert_allclose(sent[None][k], training, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sent[False][k], training, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sent[True][k], predicting, rtol=1e-5, atol=1e-6)


def test_distance_correlation_is_zero_for_independent_and_one_for_affine():
  x = defended.normal((1500, 3))
  y = defended.normal((1500, 2), seed=1)
  rotation, _ = np.linalg.qr(np.asarray(defended.normal((3, 3), seed=2)))
  dcor = jax.jit(representation.distance_correlation)
  assert float(dcor(x, 2 * x @ rotation + 1)) == pytest.approx(1, abs=1e-4)
  assert float(dcor(x, y)) < 0.02
  # its gradient is finite where samples coincide, as labels do
  labels = jax.nn.one_hot(jnp.arange(30) % 3, 3)
  gradient = jax.grad(lambda h: dcor(h, labels))(jnp.ones((30, 4)))
  assert np.isfinite(gradient).all()


def test_the_bottleneck_divergence_is_that_of_gaussians():
  mean, log = jnp.float32(0.7), jnp.float32(-0.4)
  x = np.linspace(-12, 12, 200001)
  p = stats.norm(0.7, math.exp(-0.4))
  truth = np.trapezoid(p.pdf(x) * (p.logpdf(x) - stats.norm.logpdf(x)), x)
  ours = float(representation.gaussian_divergence(mean, log))
  assert ours == pytest.approx(truth, abs=1e-4)


def test_a_reversed_gradient_is_reversed():
  f = lambda x: (3 * representation.reversed_gradient(x, 2.0)).sum()
  value, gradient = jax.value_and_grad(f)(jnp.ones(2))
  assert float(value) == 6
  np.testing.assert_array_equal(gradient, [-6, -6])


def test_peloss_is_the_energy_of_pairs_of_one_class():
  targets = jax.nn.one_hot(jnp.array([0, 0, 1]), 2)
  h = jnp.array([[0.0], [0.5], [0.6]])
  of = lambda **o: float(
    defenses.build("peloss", **o).guard.penalty({}, (h,), targets, None)
  )
  assert of(weight=2.0) == pytest.approx(2 * 1 / 0.5)
  assert of(weight=2.0, pairs="sum") == pytest.approx(2 * 2 / 0.5)


def test_mixup_mixes_samples_of_all_parties_alike():
  moment = base.Moment(jax.random.key(0), jnp.float32(0), jnp.arange(40))
  ids = jnp.arange(40.0)
  x = (ids[:, None], jnp.stack([ids, -ids], 1)[:, :, None])
  mixed, targets = defenses.build("mixup", per="row").inputs(
    moment, x, jax.nn.one_hot(jnp.arange(40), 40)
  )
  np.testing.assert_allclose(mixed[0][:, 0], mixed[1][:, 0, 0], rtol=1e-6)
  np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
  np.testing.assert_allclose(mixed[0][:, 0], targets @ ids, rtol=1e-5)
  assert (np.asarray(targets)[np.arange(40), np.arange(40)] >= 0.5).all()


def test_who_was_mixed_with_whom_is_recorded():
  chained = chain.chain([defenses.build("mixup", per="row")])
  model, inputs = examples.build("mlp", 2, "none", defended.CLASSES, defended.N)
  net = split.at(model, 1, 2, chained)
  variables = examples.variables_of(net, inputs)
  rules = optimizers.Optimizers.same(
    optimizers.build("sgd", learning_rate=0.01, steps=100), 2
  )
  state = {
    "variables": variables,
    "optimizer": rules.init(variables),
    "defense": (),
  }
  rows = jnp.arange(defended.N)[5 : 5 + defended.BATCH]
  moment = base.Moment(rng.root(1), jnp.float32(0), rows)
  step = functools.partial(protocol.step, net, rules, chained)
  *_, sent = jax.jit(step)(
    state, trees.take(inputs, rows), rows % defended.CLASSES, moment=moment
  )
  pairs = sent.announced["pairs"]
  assert set(np.asarray(pairs.partner)) == set(np.asarray(rows))
  own, other = inputs[0][rows], inputs[0][pairs.partner]
  share = pairs.share.reshape(-1, *[1] * (own.ndim - 1))
  h, _ = net.bottom(variables["bottoms"][0], share * own + (1 - share) * other)
  np.testing.assert_allclose(sent.rows[0]["embeddings"], h, atol=1e-5)
  twice = chain.chain([defenses.build("mixup")] * 2)
  assert twice.pairs is None and twice.inputs is not None


@pytest.mark.parametrize(
  "classes, seed",
  [
    *((2, seed) for seed in range(4)),
    (10, 1),
    *(pytest.param(10, s, marks=pytest.mark.slow) for s in (0, 2, 3)),
  ],
)
def test_no_class_stands_for_itself_in_an_encoder(classes, seed):
  code = encoded(classes, seed).codes["code"]
  assert (np.argmax(code, 1) != np.arange(classes)).all()


def test_an_adversary_worse_than_a_guess_is_pushed_no_further():
  penalty = defenses.build("adversarial", weight=3.0).guard.penalty
  head = defenses.build("adversarial").guard.init(
    jax.random.key(0), (jnp.zeros((2, 4)),), 2
  )
  x = jax.random.normal(jax.random.key(1), (64, 4))
  right = jax.nn.one_hot(jnp.arange(64) % 2, 2)
  pull = jax.jit(jax.grad(lambda x: penalty(head, (x,), right, None)))(x)
  _, apply = perceptron.perceptron(2, (64,))
  losses = -(right * jax.nn.log_softmax(apply(head[0], x))).sum(1)
  guess = losses >= np.log(2)
  assert 0 < guess.sum() < 64
  assert (np.abs(pull).sum(1) == 0).tolist() == guess.tolist()
