"""Attacks on victims whose leak is total, and on victims that have none."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.attacks import completion
from vfl_jax.attacks import semi_supervised
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import metrics
from vfl_jax.results import intervals

C, N, PER_CLASS, BATCH = 5, 600, 4, 32


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


def infer(attack, key, view):
  if not attack.compiled:
    halves = jax.tree.map(np.asarray, view[1:])
    return attack.infer(key, base.View(view.public, *halves))
  return jax.jit(
    lambda key, halves: attack.infer(key, base.View(view.public, *halves))
  )(key, view[1:])


def covered(found, labels, but=()):
  """Scores and labels of the training rows that an attack speaks about."""
  rows = np.arange(N) if found.rows is None else np.asarray(found.rows)
  scores = np.asarray(found.train)
  said = np.isfinite(scores).all(1) & ~np.isin(rows, but)
  return scores[said], labels[rows[said]]


ON_LABELS = [
  name for name in attacks.ATTACKS if not build(name, steps=1).features
]


@pytest.mark.parametrize("name", ON_LABELS)
def test_a_total_leak_is_read_completely(name):
  """The bottom is the labels, and the gradients tell them."""
  train_labels, test_labels = truth()
  view = view_of(
    np.eye(C)[train_labels],
    np.eye(C)[test_labels],
    train_labels,
    gradients=told(train_labels),
    name=name,
  )
  # of fewer steps surrogates end, for one key of ten, where they are not best
  steps = 2000 if name in ("unsplit", "exploit") else 300
  found = infer(build(name, steps), jax.random.key(0), view)
  scores, labels = covered(found, train_labels)
  assert len(labels) == N
  assert metrics.score("accuracy", scores, labels) == 1
  if found.test is not None:
    assert metrics.score("accuracy", np.array(found.test), test_labels) == 1


def test_what_diverged_is_not_chosen():
  train_labels, test_labels = truth()
  view = view_of(np.eye(C)[train_labels], np.eye(C)[test_labels], train_labels)
  broken = view.public._replace(
    bottom=lambda v, x, train=False, start=0, stop=None: (
      jnp.where(train, jnp.nan, x),
      v["stats"],
    )
  )
  attack = completion.passive_completion(
    steps=100, variants=(("finetuned", 1, 1.0), ("frozen", 0, 1.0))
  )
  found = infer(attack, jax.random.key(0), seen.replaced(view, public=broken))
  assert found.details["variant"] == 1
  assert np.isfinite(np.asarray(found.train)).all()


def test_without_a_bottom_nothing_is_fine_tuned():
  train_labels, test_labels = truth()
  view = view_of(np.eye(C)[train_labels], np.eye(C)[test_labels], train_labels)
  view = seen.replaced(view, public=view.public._replace(cut=0))
  attack = completion.passive_completion(
    steps=20, variants=(("finetuned", 1, 1.0), ("frozen", 0, 1.0))
  )
  found = infer(attack, jax.random.key(0), view)
  assert found.details["variant"] == 1


@functools.cache
def of_noise(seed):
  """Noise as features of both splits and gradients; a control's scores."""
  labels, _ = truth(seed)
  generator = np.random.default_rng(seed)
  train, test = (generator.standard_normal((n, 8)) for n in (N, N // 2))
  gradients = generator.standard_normal((N, C)).astype(np.float32)
  view = view_of(train, test, labels, seed)
  aux = np.asarray(view.trial.aux_rows)
  scores = controls.features_only(
    np.asarray(view.shared.train),
    np.asarray(view.shared.test),
    aux,
    labels[aux],
    C,
  )
  return (train, test), gradients, scores[:2]


@pytest.mark.parametrize("name", ON_LABELS)
def test_noise_gives_no_more_than_a_control(name):
  """In the interval: nothing, and not six points more or less."""
  # surrogates start eight times, and each of their steps replays a top
  attack, gains = build(name, steps=50 if name == "exploit" else 100), []
  for seed in range(6):
    train_labels, test_labels = truth(seed)
    features, gradients, (train, test) = of_noise(seed)
    view = view_of(*features, train_labels, seed, gradients, name)
    found = infer(attack, jax.random.key(seed), view)
    aux = np.asarray(view.trial.aux_rows)
    if found.test is None:
      scores, labels = covered(found, train_labels, but=aux)
      silent = ~np.isfinite(np.asarray(found.train)).all(1)
      train = np.where(silent[:, None], np.nan, train)
      control, _ = covered(found._replace(train=train), train_labels, but=aux)
    else:
      scores, labels, control = np.array(found.test), test_labels, test
    one, other = (
      metrics.score("accuracy", s, labels) for s in (scores, control)
    )
    gains.append(one - other)
  _, low, high = intervals.interval(gains)
  assert low <= 0 <= high and max(-low, high) < 0.06, gains


@pytest.mark.parametrize("name", ON_LABELS)
def test_attacks_are_functions_of_their_key_and_finite(name):
  labels, _ = truth()
  generator = np.random.default_rng(0)
  view = view_of(
    generator.standard_normal((N, 8)),
    generator.standard_normal((N // 2, 8)),
    labels,
    gradients=told(labels),
    name=name,
  )
  attack = build(name, steps=20)
  first, again = (infer(attack, jax.random.key(3), view) for _ in range(2))
  for a, b in zip(first[:2], again[:2]):
    assert (a is None) == (b is None)
    if a is not None:
      np.testing.assert_array_equal(a, b)
      assert np.isfinite(np.asarray(a)).all()
  assert attack.budget


def test_held_out_auxiliary_labels_choose_the_better_variant():
  """Frozen embeddings are the labels; a bottom in training sees nothing."""

  def blind_in_training(variables, x, train=False, start=0, stop=None):
    return (x * 0 if train else x), variables["stats"]

  train_labels, test_labels = truth()
  view = view_of(np.eye(C)[train_labels], np.eye(C)[test_labels], train_labels)
  public = view.public._replace(bottom=blind_in_training)
  view = seen.replaced(view, public=public)
  good, bad = ("frozen", 0, 1.0), ("finetuned", 1, 1.0)
  for variants in ((good, bad), (bad, good)):
    attack = attacks.build("passive_completion", budget=200, variants=variants)
    found = jax.jit(lambda key, a=attack: a.infer(key, view))(jax.random.key(0))
    assert int(found.details["variant"]) == variants.index(good)
    assert metrics.score("accuracy", np.array(found.test), test_labels) == 1
  alone = attacks.build("passive_completion", budget=200, variants=(bad,))
  found = jax.jit(lambda key: alone.infer(key, view))(jax.random.key(0))
  assert float(found.details["validation"]) < 0.6


def test_one_auxiliary_label_per_class_takes_the_first_variant():
  labels, _ = truth()
  view = view_of(np.eye(C)[labels], np.eye(C)[labels], labels)
  first = np.arange(C) * PER_CLASS
  view = seen.replaced(
    view,
    aux_rows=view.trial.aux_rows[first],
    aux_labels=view.trial.aux_labels[first],
  )
  found = infer(build("passive_completion", steps=100), jax.random.key(0), view)
  assert int(found.details["variant"]) == 0


def test_a_view_has_no_labels():
  names = set(base.View._fields) | set(base.Public._fields)
  assert not {n for n in names if "label" in n} - {"aux_labels", "label_prior"}


def test_features_only_reads_separable_features_and_not_noise():
  train_labels, test_labels = truth()
  rows = view_of(np.eye(C)[train_labels], np.zeros((1, C)), train_labels)
  aux = np.asarray(rows.trial.aux_rows)
  generator = np.random.default_rng(0)
  blur = lambda y: 4 * np.eye(C)[y] + generator.standard_normal((len(y), C))
  _, scores, _ = controls.features_only(
    blur(train_labels), blur(test_labels), aux, train_labels[aux], C
  )
  assert metrics.score("accuracy", scores, test_labels) > 0.9
  noise = generator.standard_normal((N + N // 2, C))
  _, scores, _ = controls.features_only(
    noise[:N], noise[N:], aux, train_labels[aux], C
  )
  # 300 rows at 1/5: a standard error of .023; four of them
  assert abs(metrics.score("accuracy", scores, test_labels) - 0.2) < 0.095


@pytest.mark.parametrize(
  "options, words",
  [
    (dict(folds=1), "at least 2"),
    (dict(variants=(("melted", 0, 1.0),)), "frozen|finetuned"),
  ],
)
def test_impossible_options_are_refused(options, words):
  with pytest.raises(ValueError, match=words):
    attacks.build("passive_completion", budget=1, **options)


def test_a_head_as_deep_as_what_is_missing_reads_what_a_linear_one_cannot():
  """A bottom of one stage, a top of three: the labels are an XOR of it."""
  generator = np.random.default_rng(0)
  bits = generator.integers(0, 2, (N, 2))
  x = 2.0 * bits - 1 + 0.1 * generator.standard_normal((N, 2))
  labels = bits[:, 0] ^ bits[:, 1]
  rows = np.concatenate([np.flatnonzero(labels == c)[:20] for c in range(2)])
  view = seen.replaced(
    view_of(x, x, np.arange(N) % C),
    aux_rows=jnp.asarray(rows),
    aux_labels=jnp.asarray(labels[rows]),
  )
  public = view.public._replace(num_classes=2, stages=("a", "b", "c", "d"))
  view = seen.replaced(view, public=public)
  found = {}
  for depth in (0, -1):
    attack = attacks.build(
      "passive_completion", budget=600, variants=(("frozen", depth, 0.1),)
    )
    answer = jax.jit(lambda key, a=attack: a.infer(key, view))(
      jax.random.key(0)
    )
    found[depth] = metrics.score("accuracy", np.array(answer.test), labels)
  assert found[0] < 0.7 and found[-1] > 0.95, found
  name = completion.Variant("frozen", -1, 1.0).name
  assert name == "frozen, as deep as what is missing"


@pytest.mark.slow
def test_an_oracle_is_offered_every_variant_at_ten_times():
  labels, test_labels = truth()
  view = view_of(np.eye(C)[labels], np.eye(C)[test_labels], labels)
  key = jax.random.key(0)
  honest = attacks.build("passive_completion", budget=57).infer(key, view)
  attack = attacks.build("passive_completion", budget=57, oracle=True)
  offered = attack.infer(key, view)
  assert honest.choices is None
  train, test = (np.asarray(a) for a in offered.choices)
  assert train.shape == (4 * 10, N, C) and test.shape == (4 * 10, N // 2, C)
  # it changes nothing of the honest answer, whose looks are the last ones
  np.testing.assert_allclose(honest.test, offered.test, atol=1e-4)
  best = int(offered.details["variant"])
  np.testing.assert_array_equal(test[10 * best + 9], offered.test)
  assert metrics.best("accuracy", test, test_labels) >= metrics.score(
    "accuracy", np.asarray(offered.test), test_labels
  )


def tokens(variables, x, train=False, start=0, stop=None):
  """A table of one-hot embeddings, a doubling, and the mean over the text."""
  stages = (
    lambda x: jax.nn.one_hot(x, 8),
    lambda x: x @ variables["params"],
    lambda x: x.mean(1),
  )
  for stage in stages[start:stop]:
    x = stage(x)
  return x, variables["stats"]


@pytest.mark.parametrize("method", ["", "mixtext", "mixmatch"])
def test_texts_are_mixed_as_hidden_states(method):
  """Words tell the class; MixText is what ids get by default."""
  labels, test_labels = truth()
  generator = np.random.default_rng(0)

  def text(labels):
    words = generator.integers(0, 8, (len(labels), 6))
    words[:, :4] = labels[:, None]
    return words

  view = seen.replaced(
    view_of(np.zeros((N, 1)), np.zeros((1, 1)), labels),
    train=jnp.asarray(text(labels)),
    test=jnp.asarray(text(test_labels)),
  )
  view = seen.replaced(
    view,
    bottom={"params": jnp.eye(8), "stats": {}},
    public=view.public._replace(bottom=tokens, cut=3),
  )
  found = {}
  for bottom in ("frozen", "finetuned"):
    attack = attacks.build(
      "passive_completion",
      budget=300,
      variants=((bottom, 1, 1.0),),
      mixing=method,
    )
    answer = infer(attack, jax.random.key(0), view)
    found[bottom] = metrics.score(
      "accuracy", np.array(answer.test), test_labels
    )
  assert min(found.values()) > 0.8, found


def test_one_label_of_each_class_counts_both_learners():
  """Neither can be chosen, and each is hopeless on some data."""
  generator = np.random.default_rng(0)
  # two rings: neighbours see them, no line does
  labels = np.repeat([0, 1], 300)
  angle = generator.uniform(0, 2 * np.pi, 600)
  radius = np.where(labels, 4.0, 1.0)
  rings = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
  rows = np.array([0, 300])
  train, _, said = controls.features_only(
    rings, rings[:5], rows, labels[rows], 2
  )
  assert said == "self-training and label spreading"
  assert metrics.score("accuracy", train, labels) > 0.6
  np.testing.assert_allclose(train.sum(1), 1, atol=1e-6)


def test_label_spreading_that_reaches_few_rows_still_answers():
  """Clusters without a labelled row stay unreached."""
  generator = np.random.default_rng(0)
  centres = 1000 * np.arange(100)[:, None] * np.ones(2)
  x = np.repeat(centres, 9, axis=0) + generator.standard_normal((900, 2))
  rows = np.array([0, 9])
  train, test, _ = controls.features_only(x, x[:7], rows, np.array([0, 1]), 2)
  assert np.isfinite(train).all() and len(test) == 7


def test_every_draw_of_a_mixing_is_even_and_of_what_is_allowed():
  rule = semi_supervised.MIXMATCH
  draws = semi_supervised.draw(
    jax.random.key(3), rule, steps=4000, batch=4, unlabelled=30
  )
  mask = np.arange(12) % 3 != 1
  picks = np.asarray(semi_supervised.picked(draws, jnp.asarray(mask)))
  assert picks.shape == (4000, 4) and mask[picks].all()
  for drawn, among in ((picks, np.flatnonzero(mask)), (draws.other, range(30))):
    counts = np.bincount(np.asarray(drawn).ravel(), minlength=12)[list(among)]
    assert stats.chisquare(counts).pvalue > 1e-3
  order = np.asarray(draws.order)
  np.testing.assert_array_equal(np.sort(order, 1), np.arange(8) + 0 * order)
  share = np.asarray(draws.share, np.float64)  # the larger of two
  law = stats.beta(rule.alpha, rule.alpha)
  within = lambda x: np.where(x < 0.5, 0, 2 * law.cdf(x) - 1)
  assert stats.kstest(share, within).pvalue > 1e-3
  # another key, other draws; the same key, the same
  again, other = (
    semi_supervised.draw(
      jax.random.key(k), rule, steps=4000, batch=4, unlabelled=30
    )
    for k in (3, 4)
  )
  np.testing.assert_array_equal(again.known, draws.known)
  assert (np.asarray(other.known) != np.asarray(draws.known)).mean() > 0.99


@pytest.mark.parametrize(
  "leaves, rule",
  [
    ({"numeric": np.float32, "category": np.int32}, semi_supervised.MIXMATCH),
    ({"numeric": np.float32}, semi_supervised.MIXMATCH),
    ({"ids": np.int32}, semi_supervised.MIXTEXT),
  ],
)
def test_only_texts_are_mixed_as_texts(leaves, rule, monkeypatch):
  """A table of numbers and categories is none."""
  labels, test_labels = truth()
  met, draw = [], semi_supervised.draw
  monkeypatch.setattr(
    semi_supervised,
    "draw",
    lambda key, rule, **k: met.append(rule) or draw(key, rule, **k),
  )

  def fields(labels):
    return {
      name: jnp.asarray(np.eye(C)[labels], kind)
      for name, kind in leaves.items()
    }

  view = view_of(np.zeros((N, 1)), np.zeros((1, 1)), labels)
  view = seen.replaced(view, train=fields(labels), test=fields(test_labels))

  def bottom(variables, x, train=False, start=0, stop=None):
    h = sum(jax.tree.leaves(x)).astype(jnp.float32)
    return h, variables["stats"]

  view = seen.replaced(view, public=view.public._replace(bottom=bottom))
  attack = completion.passive_completion(
    steps=2, variants=(("frozen", 0, 1.0),)
  )
  infer(attack, jax.random.key(0), view)
  assert met == [rule]


def test_rows_without_a_label_are_all_others():
  train_labels, _ = truth()
  view = view_of(np.eye(C)[train_labels], np.eye(C)[:1], train_labels)
  others = np.asarray(semi_supervised.unknown(view))
  wanted = np.setdiff1d(np.arange(N), np.asarray(view.trial.aux_rows))
  np.testing.assert_array_equal(np.sort(others), wanted)


def test_statistics_that_change_their_names_are_refused():
  """Vectors of one length would take one for the other."""
  view = SimpleNamespace(
    shared=SimpleNamespace(train=jnp.ones((8, 2))),
    trial=SimpleNamespace(
      aux_rows=jnp.arange(4), aux_labels=jnp.array([0, 0, 1, 1])
    ),
    public=SimpleNamespace(num_classes=2),
  )

  def upper(parameters, stats, hidden, train):
    return hidden @ parameters, {"variance": stats["mean"]}

  network = semi_supervised.Network(
    jnp.eye(2), {"mean": jnp.zeros(2)}, [lambda p, s, x, train: x], [upper]
  )
  draws = semi_supervised.draw(
    jax.random.key(0), semi_supervised.MIXMATCH, steps=2, batch=2, unlabelled=4
  )
  with pytest.raises(ValueError, match="keep their names"):
    semi_supervised.train(
      network,
      view,
      view.shared.train,
      jnp.ones(4, bool),
      semi_supervised.MIXMATCH,
      draws,
      learning_rate=0.1,
    )
