"""Sealed labels, scores and intervals."""

import jax
import numpy as np
import pytest

from vfl_jax.attacks import base
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import scoring
from vfl_jax.evaluation import seal
from vfl_jax.results import advantage

LABELS = {"train": np.repeat([0, 1, 2], 10), "test": np.array([0, 1, 2])}


def test_labels_are_sealed_until_every_attack_has_returned():
  closed = seal.Sealed(LABELS, {"first", "second"})
  for attack in ("first", "second"):
    for name in ("train", "test"):
      with pytest.raises(seal.SealedError, match="second"):
        closed.open(name)
    closed.returned(attack)
  np.testing.assert_array_equal(closed.open("test"), LABELS["test"])


def test_reading_labels_while_an_attack_runs_raises():
  """An attack that was handed the evaluator itself still sees nothing."""
  closed = seal.Sealed(LABELS, {"curious"})

  def infer():
    return closed.open("train")

  with pytest.raises(seal.SealedError):
    infer()


def test_auxiliary_rows_are_balanced_grouped_and_drawn_from_the_key():
  closed = seal.Sealed(LABELS, {"attack"})
  rows, labels = closed.auxiliary(jax.random.key(0), 3)
  np.testing.assert_array_equal(labels, np.repeat([0, 1, 2], 3))
  np.testing.assert_array_equal(LABELS["train"][rows], labels)
  assert len(set(rows)) == 9
  again, _ = closed.auxiliary(jax.random.key(0), 3)
  other, _ = closed.auxiliary(jax.random.key(1), 3)
  np.testing.assert_array_equal(rows, again)
  assert (rows != other).any()
  with pytest.raises(ValueError, match="class 0 has 10 training rows"):
    closed.auxiliary(jax.random.key(0), 10)


def test_scores():
  scores = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.0, 0.5]])
  labels = np.array([0, 1, 1, 1])
  assert metrics.score("accuracy", scores, labels) == 0.75
  assert metrics.score("balanced_accuracy", scores, labels) == (1 + 2 / 3) / 2
  # positives above the negative (difference -1): two of three
  assert metrics.score("auc", scores, labels) == pytest.approx(2 / 3)


def test_decisions_are_scored_as_scikit_learn_scores_them():
  from sklearn import metrics as library

  generator = np.random.default_rng(0)
  labels = generator.choice([0, 1, 3], 300)  # one class never occurs
  scores = generator.standard_normal((300, 5)) + np.eye(5)[labels]
  guess = scores.argmax(1)
  for metric, theirs in (
    ("accuracy", library.accuracy_score(labels, guess)),
    ("macro_f1", library.f1_score(labels, guess, average="macro")),
    (
      "balanced_accuracy",
      library.recall_score(
        labels, guess, average="macro", labels=np.unique(labels)
      ),
    ),
  ):
    assert metrics.score(metric, scores, labels) == pytest.approx(theirs)


def test_true_positives_at_few_false_ones():
  labels = np.repeat([0, 1], [1000, 100])
  score = np.concatenate([np.arange(1000), np.linspace(900, 1100, 100)])
  both = np.stack([-score, score], 1)
  found = [metrics.score(m, both, labels) for m in ("tpr_1", "tpr_01")]
  # ten and one of the negatives may lie above: 989 and 998 are passed
  line = np.linspace(900, 1100, 100)
  assert found == [np.mean(line > 989), np.mean(line > 998)]
  tied = np.zeros((1100, 2))
  assert metrics.score("tpr_1", tied, labels) == 0
  assert np.isnan(metrics.score("tpr_1", both[:1000], labels[:1000]))


def test_the_most_exposed_rows_are_those_inferred_with_95_percent():
  generator = np.random.default_rng(0)
  labels = generator.integers(0, 4, 2000)
  sure = np.arange(2000) < 600
  scores = generator.standard_normal((2000, 4))
  scores[sure] = 30 * np.eye(4)[labels[sure]]
  # 600 rows for certain, and 30 more guesses of which a quarter are right
  share = metrics.score("exposed", scores, labels)
  assert 0.30 < share < 0.33
  assert metrics.score("exposed", np.zeros((2000, 4)), labels) == 0


def test_advantage_is_paired_with_the_strongest_control():
  values = {
    "attack": [0.9, 0.7],
    "prior": [0.1, 0.1],
    "no-VFL": [0.5, 0.4],
    "features only": [0.6, 0.2],
    "ceiling": [0.95, 0.9],
  }
  rows = [
    {
      "attack": "a",
      "party": 0,
      "rows": "test",
      "metric": "accuracy",
      "what": what,
      "seed": seed,
      "draw": 0,
      "primary": True,
      "n": 10,
      "value": v,
    }
    for what, both in values.items()
    for seed, v in enumerate(both)
  ]
  (found,) = advantage.advantage(rows)
  assert found["control"] == "no-VFL"  # .45 on average, not the .6 of one seed
  assert found["advantage"] == pytest.approx((0.4 + 0.3) / 2)
  # t(.975, 1 degree) = 12.706, standard error .05
  assert found["high"] - found["advantage"] == pytest.approx(0.635, abs=1e-3)
  # two draws of one seed share a federation: their mean counts once
  more = [{**r, "draw": 1, "value": r["value"] + 0.1} for r in rows]
  (both,) = advantage.advantage(rows + more)
  assert both["advantage"] == pytest.approx(found["advantage"])
  assert both["high"] == pytest.approx(found["high"])
  assert (both["seeds"], both["draws"]) == (2, 2)
  one_seed = [r for r in rows + more if r["seed"] == 0]
  (single,) = advantage.advantage(one_seed)
  assert single["seeds"] == 1 and np.isnan(single["low"])


def test_lost_trials_are_counted():
  rows = [
    {
      "attack": attack,
      "what": what,
      "party": 0,
      "seed": seed,
      "draw": 0,
      "rows": "train",
      "metric": "accuracy",
      "primary": True,
      "n": 10,
      "value": value,
      "detail": "",
    }
    for attack, seeds in (("whole", 3), ("lost", 2))
    for seed in range(seeds)
    for what, value in (("attack", 0.5), ("prior", 0.2))
  ]
  found = {r["attack"]: r["lost"] for r in advantage.advantage(rows)}
  assert found == {"whole": 0, "lost": 1}


def test_who_abstains_is_judged_over_all_recorded_rows():
  labels = np.array([0, 0, 0, 1, 1, 1, 1, 0])
  scores = np.full((8, 2), np.nan)
  scores[[1, 2, 3, 4]] = np.eye(2)[[0, 1, 1, 1]]
  answer = scoring.Answer("sure", "attack", 0, 0, scores, None, "")
  attack = base.Attack(frozenset(), lambda k, v: None, "", abstains=True)
  found = scoring.table(
    [answer],
    {"sure": attack},
    {"train": labels, "test": labels},
    np.array([[0]]),
    np.array([0.5, 0.5]),
    1,
    "accuracy",
    np.arange(7),
  )
  values = {r["metric"]: r["value"] for r in found if r["what"] == "attack"}
  assert values["accuracy"] == 0.75
  # class 0: guessed of 1, rightly; 2 rows. class 1: of 3, 2 rightly; 4 rows
  assert values["precision"] == pytest.approx((1 + 2 / 3) / 2)
  assert values["recall"] == pytest.approx((1 / 2 + 2 / 4) / 2)
  compared = {r["metric"] for r in advantage.advantage(found)}
  # precision and recall have no control
  assert compared == {"accuracy", *metrics.metrics(2)}


def test_top5_gives_ties_their_share():
  labels = np.arange(100).repeat(3)
  assert metrics.score("top5", np.ones((300, 100)), labels) == pytest.approx(
    0.05
  )
  ranked = np.tile(np.arange(100.0), (300, 1))
  assert metrics.score("top5", ranked, labels) == 0.05
  few = np.where(np.arange(100) < 3, 1.0, 0.0) * np.ones((300, 1))
  # three are ahead of 97 that share two places
  wanted = (3 + 97 * 2 / 97) / 100
  assert metrics.score("top5", few, labels) == pytest.approx(wanted)


def test_recall_counts_trials_without_a_word():
  """One perfect trial and two silent ones: a third of the rows was named."""
  labels = np.array([0, 0, 0, 1, 1, 1])
  known = np.zeros((3, 0), int)
  attack = base.Attack(frozenset(), lambda k, v: None, "", abstains=True)
  silent = np.full((6, 2), np.nan)
  answers = [
    scoring.Answer("sure", "attack", 0, trial, scores, None, "")
    for trial, scores in enumerate((np.eye(2)[labels], silent, silent))
  ]
  found = scoring.table(
    answers,
    {"sure": attack},
    {"train": labels, "test": labels},
    known,
    np.array([0.5, 0.5]),
    1,
    "accuracy",
  )
  recall = [r["value"] for r in found if r["metric"] == "recall"]
  assert recall == [1.0, 0.0, 0.0]
  (row,) = [r for r in advantage.advantage(found) if r["primary"]]
  assert (row["attack_score"], row["seeds"]) == (1.0, 1)


def test_a_control_that_diverged_is_no_guess():
  """It is left out of its trial, and what is left is compared."""
  labels = np.array([0, 0, 1, 1])
  attack = base.Attack(frozenset(), lambda k, v: None, "")
  right, broken = np.eye(2)[labels], np.full((4, 2), np.nan)
  answers = [
    scoring.Answer("some", what, 0, trial, scores, None, "")
    for trial, control in enumerate((right, broken))
    for what, scores in (("attack", right), ("no-VFL", control))
  ]
  found = scoring.table(
    answers,
    {"some": attack},
    {"train": labels, "test": labels},
    np.zeros((2, 0), int),
    np.array([0.5, 0.5]),
    1,
    "accuracy",
  )
  values = [
    r["value"]
    for r in found
    if r["what"] == "no-VFL" and r["metric"] == "accuracy"
  ]
  assert values[0] == 1.0 and np.isnan(values[1])
  (row,) = [r for r in advantage.advantage(found) if r["primary"]]
  assert (row["advantage"], row["seeds"]) == (0.0, 1)
