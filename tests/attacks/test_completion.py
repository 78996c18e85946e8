"""Completion attacks: heads, variants, semi-supervised training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.attacks import completion
from vfl_jax.attacks import semi_supervised
from vfl_jax.evaluation import metrics
from tests.helpers import planted


def test_without_a_bottom_nothing_is_fine_tuned():
  train_labels, test_labels = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[train_labels],
    np.eye(planted.C)[test_labels],
    train_labels,
  )
  view = seen.replaced(view, public=view.public._replace(cut=0))
  attack = completion.passive_completion(
    steps=20, variants=(("finetuned", 1, 1.0), ("frozen", 0, 1.0))
  )
  found = planted.infer(attack, view)
  assert found.details["variant"] == 1


def test_held_out_auxiliary_labels_choose_the_better_variant():
  """Frozen embeddings are the labels; a bottom in training sees nothing."""

  def blind_in_training(variables, x, train=False, start=0, stop=None):
    return (x * 0 if train else x), variables["stats"]

  train_labels, test_labels = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[train_labels],
    np.eye(planted.C)[test_labels],
    train_labels,
  )
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
  labels, _ = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[labels], np.eye(planted.C)[labels], labels
  )
  first = np.arange(planted.C) * planted.PER_CLASS
  view = seen.replaced(
    view,
    aux_rows=view.trial.aux_rows[first],
    aux_labels=view.trial.aux_labels[first],
  )
  found = planted.infer(planted.build("passive_completion", steps=100), view)
  assert int(found.details["variant"]) == 0


def test_a_head_as_deep_as_what_is_missing_reads_what_a_linear_one_cannot():
  """A bottom of one stage, a top of three: the labels are an XOR of it."""
  generator = np.random.default_rng(0)
  bits = generator.integers(0, 2, (planted.N, 2))
  x = 2.0 * bits - 1 + 0.1 * generator.standard_normal((planted.N, 2))
  labels = bits[:, 0] ^ bits[:, 1]
  rows = np.concatenate([np.flatnonzero(labels == c)[:20] for c in range(2)])
  view = seen.replaced(
    planted.view_of(x, x, np.arange(planted.N) % planted.C),
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
  labels, test_labels = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[labels], np.eye(planted.C)[test_labels], labels
  )
  key = jax.random.key(0)
  honest = attacks.build("passive_completion", budget=57).infer(key, view)
  attack = attacks.build("passive_completion", budget=57, oracle=True)
  offered = attack.infer(key, view)
  assert honest.choices is None
  train, test = (np.asarray(a) for a in offered.choices)
  assert train.shape == (4 * 10, planted.N, planted.C) and test.shape == (
    4 * 10,
    planted.N // 2,
    planted.C,
  )
  # it changes nothing of the honest answer, whose looks are the last ones
  np.testing.assert_allclose(honest.test, offered.test, atol=1e-4)
  best = int(offered.details["variant"])
  np.testing.assert_array_equal(test[10 * best + 9], offered.test)
  assert metrics.best("accuracy", test, test_labels)[0] >= metrics.score(
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
  labels, test_labels = planted.truth()
  generator = np.random.default_rng(0)

  def text(labels):
    words = generator.integers(0, 8, (len(labels), 6))
    words[:, :4] = labels[:, None]
    return words

  view = seen.replaced(
    planted.view_of(np.zeros((planted.N, 1)), np.zeros((1, 1)), labels),
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
    answer = planted.infer(attack, view)
    found[bottom] = metrics.score(
      "accuracy", np.array(answer.test), test_labels
    )
  assert min(found.values()) > 0.8, found


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
  labels, test_labels = planted.truth()
  met, draw = [], semi_supervised.draw
  monkeypatch.setattr(
    semi_supervised,
    "draw",
    lambda key, rule, **k: met.append(rule) or draw(key, rule, **k),
  )

  def fields(labels):
    return {
      name: jnp.asarray(np.eye(planted.C)[labels], kind)
      for name, kind in leaves.items()
    }

  view = planted.view_of(np.zeros((planted.N, 1)), np.zeros((1, 1)), labels)
  view = seen.replaced(view, train=fields(labels), test=fields(test_labels))

  def bottom(variables, x, train=False, start=0, stop=None):
    h = sum(jax.tree.leaves(x)).astype(jnp.float32)
    return h, variables["stats"]

  view = seen.replaced(view, public=view.public._replace(bottom=bottom))
  attack = completion.passive_completion(
    steps=2, variants=(("frozen", 0, 1.0),)
  )
  planted.infer(attack, view)
  assert met == [rule]


def test_rows_without_a_label_are_all_others():
  train_labels, _ = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[train_labels], np.eye(planted.C)[:1], train_labels
  )
  others = np.asarray(semi_supervised.unknown(view))
  wanted = np.setdiff1d(np.arange(planted.N), np.asarray(view.trial.aux_rows))
  np.testing.assert_array_equal(np.sort(others), wanted)


def test_statistics_that_change_their_names_are_refused():
  """Vectors of one length would take one for the other."""
  view = seen.view(
    public=base.Public(2, 4, 1, ("planted",), planted.identity),
    train=jnp.ones((8, 2)),
    test=jnp.ones((1, 2)),
    train_ids=np.arange(8),
    test_ids=np.arange(1),
    bottom={},
    aux_rows=jnp.arange(4),
    aux_labels=jnp.array([0, 0, 1, 1]),
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
