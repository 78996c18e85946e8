"""Every attack on planted leaks, and on noise; what all of them share."""

import functools
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import seen
from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.attacks import completion
from vfl_jax.evaluation import classifiers
from vfl_jax.evaluation import learners
from vfl_jax.evaluation import metrics
from vfl_jax.results import intervals
from tests.helpers import planted


def covered(found, labels, but=()):
  """Scores and labels of the training rows that an attack speaks about."""
  rows = np.arange(planted.N) if found.rows is None else np.asarray(found.rows)
  scores = np.asarray(found.train)
  said = np.isfinite(scores).all(1) & ~np.isin(rows, but)
  return scores[said], labels[rows[said]]


ON_LABELS = [
  name for name in attacks.ATTACKS if not planted.build(name, steps=1).features
]


@pytest.mark.parametrize("name", ON_LABELS)
def test_a_total_leak_is_read_completely(name):
  """The bottom is the labels, and the gradients tell them."""
  train_labels, test_labels = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[train_labels],
    np.eye(planted.C)[test_labels],
    train_labels,
    gradients=planted.told(train_labels),
    name=name,
  )
  # of fewer steps surrogates end, for one key of ten, where they are not best
  steps = 2000 if name in ("unsplit", "exploit") else 300
  found = planted.infer(planted.build(name, steps), view)
  scores, labels = covered(found, train_labels)
  assert len(labels) == planted.N
  assert metrics.score("accuracy", scores, labels) == 1
  if found.test is not None:
    assert metrics.score("accuracy", np.array(found.test), test_labels) == 1


def test_what_diverged_is_not_chosen():
  train_labels, test_labels = planted.truth()
  view = planted.view_of(
    np.eye(planted.C)[train_labels],
    np.eye(planted.C)[test_labels],
    train_labels,
  )
  broken = view.public._replace(
    bottom=lambda v, x, train=False, start=0, stop=None: (
      jnp.where(train, jnp.nan, x),
      v["stats"],
    )
  )
  attack = completion.passive_completion(
    steps=100, variants=(("finetuned", 1, 1.0), ("frozen", 0, 1.0))
  )
  found = planted.infer(attack, seen.replaced(view, public=broken))
  assert found.details["variant"] == 1
  assert np.isfinite(np.asarray(found.train)).all()


@functools.cache
def of_noise(seed):
  """Noise as features of both splits and gradients; a control's scores."""
  labels, _ = planted.truth(seed)
  generator = np.random.default_rng(seed)
  train, test = (
    generator.standard_normal((n, 8)) for n in (planted.N, planted.N // 2)
  )
  gradients = generator.standard_normal((planted.N, planted.C)).astype(
    np.float32
  )
  view = planted.view_of(train, test, labels, seed)
  aux = np.asarray(view.trial.aux_rows)
  draws = [classifiers.Labels(aux, labels[aux])]
  scores = learners.pool(train, test, draws, planted.C)
  chosen = 0, scores.chosen[0]
  return (train, test), gradients, (scores.train[chosen], scores.test[chosen])


@pytest.mark.parametrize("name", ON_LABELS)
def test_noise_gives_no_more_than_a_control(name):
  """In the interval: nothing, and not seven points more or less."""
  # surrogates start eight times, and each of their steps replays a top
  attack, gains = (
    planted.build(name, steps=50 if name == "exploit" else 100),
    [],
  )
  for seed in range(6):
    train_labels, test_labels = planted.truth(seed)
    features, gradients, (train, test) = of_noise(seed)
    view = planted.view_of(*features, train_labels, seed, gradients, name)
    found = planted.infer(attack, view, jax.random.key(seed))
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
  assert low <= 0 <= high and max(-low, high) < 0.07, gains


@pytest.mark.parametrize("name", ON_LABELS)
def test_attacks_are_functions_of_their_key_and_finite(name):
  labels, _ = planted.truth()
  generator = np.random.default_rng(0)
  view = planted.view_of(
    generator.standard_normal((planted.N, 8)),
    generator.standard_normal((planted.N // 2, 8)),
    labels,
    gradients=planted.told(labels),
    name=name,
  )
  attack = planted.build(name, steps=20)
  first, again = (
    planted.infer(attack, view, jax.random.key(3)) for _ in range(2)
  )
  for a, b in zip(first[:2], again[:2]):
    assert (a is None) == (b is None)
    if a is not None:
      np.testing.assert_array_equal(a, b)
      assert np.isfinite(np.asarray(a)).all()
  assert attack.budget


def test_a_view_has_no_labels():
  names = set(base.View._fields) | set(base.Public._fields)
  assert not {n for n in names if "label" in n} - {"aux_labels", "label_prior"}


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
