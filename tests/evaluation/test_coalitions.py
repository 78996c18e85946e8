"""A coalition is never weaker than its strongest member."""

import jax
import numpy as np
import pytest

from tests.helpers import planted
from vfl_jax import attacks
from vfl_jax.evaluation import coalitions
from vfl_jax.evaluation import learners
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import trials

N, TRIALS, PER_CLASS = 400, 3, 20
LABELS = np.random.default_rng(1).integers(0, 2, N)


def of_all_trials(view):
  trial = jax.tree.map(lambda a: np.stack([np.asarray(a)] * TRIALS), view.trial)
  return view._replace(trial=trial)


def seen(*gradients, per_class=PER_CLASS):
  """What a coalition saw, then each member."""
  together = gradients if len(gradients) > 1 else gradients[0]
  return [
    of_all_trials(planted.victim(LABELS, g, per_class=per_class))
    for g in (together, *gradients)
  ]


def answered(name, views):
  keys = jax.random.split(planted.KEY, TRIALS)
  run = lambda *args: trials.infer(*args, "vmap")
  return coalitions.infer(attacks.build(name), keys, views, run)


def right(found):
  view = planted.victim(LABELS, per_class=PER_CLASS)
  unknown = np.setdiff1d(np.arange(N), view.trial.aux_rows)
  return [
    metrics.score("accuracy", scores[unknown], LABELS[unknown])
    for scores in found.train
  ]


def normal(seed, width):
  return np.random.default_rng(seed).standard_normal((N, width))


@pytest.mark.parametrize("name", ["direction", "similarity", "hint"])
def test_what_one_member_knows_does_not_drown(name):
  """Eight members have noise, and one a direction that says much."""
  told = normal(0, 2) + 1.5 * np.where(LABELS == 1, 1, -1)[:, None]
  views = seen(*(normal(1 + k, 2) for k in range(8)), told)
  keys = jax.random.split(planted.KEY, TRIALS)
  together, member = (
    trials.infer(attacks.build(name), keys, view, "vmap")
    for view in (views[0], views[-1])
  )
  found = answered(name, views)
  assert max(right(together)) < 0.85 < 0.95 < min(right(member))
  assert right(found) == right(member)
  np.testing.assert_array_equal(found.details["by"], 9)


def test_what_only_all_know_is_answered_together():
  signs = np.random.default_rng(2).choice([-1, 1], (N, 1))
  halves = [
    signs * np.where(LABELS == 1, 1, -1)[:, None] + 0.1 * normal(3, 1),
    signs + 0.1 * normal(4, 1),
  ]
  views = seen(*halves)
  found = answered("similarity", views)
  assert min(right(found)) > 0.97
  np.testing.assert_array_equal(found.details["by"], 0)


def test_a_choice_by_an_attack_itself_counts():
  told = np.concatenate([normal(5, 7), 4.0 * LABELS[:, None]], axis=1)
  found = answered("supervised_gradients", seen(told, normal(6, 20)))
  assert min(right(found)) > 0.97
  assert (np.asarray(found.details["validation"]) > 0.9).all()
  rule = coalitions.named(attacks.build("supervised_gradients"), (0, 2))
  assert rule.names["by"] == ["all together", "party 0 alone", "party 2 alone"]


def test_with_one_known_sample_of_a_class_all_answer_together():
  found = answered("direction", seen(normal(7, 5), normal(8, 5), per_class=1))
  np.testing.assert_array_equal(found.details["by"], 0)


def test_a_single_party_answers_itself():
  (view, _) = seen(normal(9, 5))
  assert "by" not in answered("direction", [view]).details


def test_the_choice_finds_nothing_in_noise():
  scores = []
  for seed in range(12):
    views = seen(normal(20 + seed, 5), normal(50 + seed, 5))
    scores += right(answered("direction", views))[:1]
  error = np.std(scores, ddof=1) / np.sqrt(len(scores))
  assert abs(np.mean(scores) - 0.5) < 4 * error


def test_a_coalition_s_control_has_the_learners_of_its_members():
  def pool(value):
    scores = np.full((2, 1, 4, 3), value)
    return learners.Scores(np.array(["knn"]), scores, scores, np.zeros(2, int))

  both = learners.together({"0+2": pool(0.0), 0: pool(1.0), 2: pool(2.0)})
  assert list(both.names) == ["knn", "knn by 0", "knn by 2"]
  np.testing.assert_array_equal(both.train[0, :, 0, 0], [0, 1, 2])
  one = pool(1.0)
  assert learners.together({1: one}) is one
