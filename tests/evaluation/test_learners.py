"""Learners of features alone: on each problem one is right, others guess."""

import time

import numpy as np
import pytest

from vfl_jax.evaluation import alone
from vfl_jax.evaluation import classifiers
from vfl_jax.evaluation import learners
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import spreading
from vfl_jax.runtime import kept


def drawn(labels, per_class, seed=0):
  """Known rows, grouped by class."""
  generator = np.random.default_rng(seed)
  rows = [
    generator.permutation(np.flatnonzero(labels == c))[:per_class]
    for c in np.unique(labels)
  ]
  rows = np.concatenate(rows)
  return classifiers.Labels(rows, labels[rows])


def accuracies(x, labels, per_class, seeds=3):
  """Mean accuracy of every learner on the second half of the rows."""
  n = len(x) // 2
  draws = [drawn(labels[:n], per_class, seed) for seed in range(seeds)]
  scores = learners.pool(x[:n], x[n:], draws, int(labels.max()) + 1)
  right = (scores.test.argmax(-1) == labels[n:]).mean((0, 2))
  return dict(zip(scores.names.tolist(), right, strict=True)), scores


def blurred():
  """Four classes in a plane, apart but not quite."""
  generator = np.random.default_rng(0)
  labels = generator.integers(0, 4, 800)
  return 3 * np.eye(4)[labels] + generator.standard_normal((800, 4)), labels


def rings(generator, n=600):
  labels = generator.integers(0, 2, n)
  angle = generator.uniform(0, 2 * np.pi, n)
  radius = np.where(labels, 4.0, 1.0) + 0.1 * generator.standard_normal(n)
  return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), labels


def faint(generator, n=600):
  """The label in one column of scale 1 beside noise of scale 100."""
  labels = generator.integers(0, 2, n)
  x = generator.standard_normal((n, 3)) * np.array([1, 100, 100])
  x[:, 0] += 6 * labels
  return x, labels


def loud(generator, n=600):
  """The label in one column of scale 100 beside much noise of scale 1."""
  labels = generator.integers(0, 2, n)
  x = generator.standard_normal((n, 60)) * np.array([100] + [1] * 59)
  x[:, 0] += 400 * labels
  return x, labels


def angles(generator, n=600):
  """The label in the direction of a row, whose length says nothing."""
  labels = generator.integers(0, 2, n)
  angle = labels * 0.5 + 0.05 * generator.standard_normal(n)
  length = np.exp(4 * generator.standard_normal(n))
  return length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), labels


def line(generator, n=600):
  """One column of fifty: many labels find it, neighbours do not."""
  labels = generator.integers(0, 2, n)
  x = 4 * generator.standard_normal((n, 50))
  x[:, 0] = x[:, 0] / 4 + 5 * labels
  return x, labels


@pytest.mark.parametrize(
  "problem, per_class, right, guessing",
  [
    (rings, 5, "label spreading 0.9, raw", "logistic regression, raw"),
    (rings, 5, "label spreading 0.9, raw", "self-training, raw"),
    (faint, 4, "self-training, standardised", "nearest neighbours, raw"),
    (faint, 4, "label spreading 0.9, standardised", "support vectors, raw"),
    (loud, 4, "nearest neighbours, raw", "nearest neighbours, standardised"),
    (loud, 4, "support vectors, raw", "support vectors, standardised"),
    (
      *(angles, 2, "support vectors, rows of length one"),
      "support vectors, raw",
    ),
    (line, 100, "logistic regression, raw", "nearest neighbours, raw"),
  ],
)
def test_on_each_problem_one_is_right_and_another_is_not(
  problem, per_class, right, guessing
):
  x, labels = problem(np.random.default_rng(0))
  found, _ = accuracies(x, labels, per_class)
  assert found[right] > 0.9
  assert found[guessing] < found[right] - 0.15


def test_noise_gives_no_learner_more_than_chance():
  generator = np.random.default_rng(0)
  x = generator.standard_normal((1200, 8))
  labels = generator.integers(0, 4, 1200)
  found, _ = accuracies(x, labels, 5)
  # the same 600 rows for three draws: at most a standard error of .018, and
  # the largest of 18 of them
  assert all(abs(v - 0.25) < 4 * 0.018 for v in found.values()), found


def test_label_spreading_is_that_of_scikit_learn():
  from sklearn import semi_supervised

  x, labels = blurred()
  draw = drawn(labels, 3)
  known = np.full(len(x), -1)
  known[draw.rows] = draw.labels
  theirs = semi_supervised.LabelSpreading(
    kernel=lambda rows, _: spreading.graph(rows),
    alpha=0.9,
    max_iter=1000,
    tol=1e-9,
  ).fit(x, known)
  ours = spreading.scores(
    spreading.build(x, np.arange(len(x))), [draw], 4, 0.9
  )[0]
  np.testing.assert_allclose(ours, theirs.label_distributions_, atol=2e-4)


def test_rows_beyond_the_graph_are_answered_by_their_neighbours(monkeypatch):
  x, labels = blurred()
  whole, _ = accuracies(x, labels, 4)
  monkeypatch.setattr(classifiers, "ROWS", len(x) // 2)
  monkeypatch.setattr(classifiers, "TRAINED", len(x) // 2)
  fewer, scores = accuracies(x, labels, 4)
  assert np.isfinite(scores.test).all()
  for name, accuracy in whole.items():
    assert abs(fewer[name] - accuracy) < 0.05, name


def test_rows_that_are_repeated_change_no_answer():
  x, labels = blurred()
  draws = [drawn(labels[:400], 4, seed) for seed in range(2)]
  once = learners.pool(x[:400], x[400:], draws, 4)
  again = np.random.default_rng(1).integers(0, 400, 900)
  train = np.concatenate([x[:400], x[again]])
  often = learners.pool(train, x[400:], draws, 4)
  np.testing.assert_array_equal(often.train[:, :, :400], once.train)
  np.testing.assert_array_equal(
    often.train[:, :, 400:], once.train[:, :, again]
  )
  np.testing.assert_array_equal(often.test, once.test)


def test_equal_rows_may_have_been_given_different_labels():
  x, labels = blurred()
  draw = drawn(labels[:400], 4)
  x[draw.rows[-1]] = x[draw.rows[0]]  # of the last class and of the first
  scores = learners.pool(x[:400], x[400:], [draw], 4)
  assert np.isfinite(scores.train).all() and np.isfinite(scores.test).all()
  right = (scores.test[0].argmax(-1) == labels[400:]).mean(-1)
  assert right.max() > 0.8


def test_clusters_without_a_label_are_still_answered():
  generator = np.random.default_rng(0)
  centres = 1000 * np.arange(100)[:, None] * np.ones(2)
  x = np.repeat(centres, 9, axis=0) + generator.standard_normal((900, 2))
  draw = classifiers.Labels(np.array([0, 9]), np.array([0, 1]))
  scores = learners.pool(x, x[:7], [draw], 2)
  assert np.isfinite(scores.train).all() and scores.test.shape == (1, 18, 7, 2)
  assert scores.chosen.tolist() == [0]  # single labels choose nothing


def test_the_chosen_one_is_right_where_known_labels_can_tell():
  x, labels = loud(np.random.default_rng(0))
  _, scores = accuracies(x, labels, 20)
  chosen = scores.test[np.arange(3), scores.chosen].argmax(-1)
  assert (chosen == labels[300:]).mean() > 0.9


def test_the_best_answer_is_named():
  labels = np.array([0, 1, 1, 0])
  answers = np.eye(2)[np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1]])]
  assert metrics.best("accuracy", answers, labels) == (0.75, 1)


def test_it_is_computed_once_for_equal_content(tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
  source = tmp_path / "code.py"
  source.write_text("one")
  calls = []

  def compute():
    calls.append(time.monotonic())
    return alone.Scores(np.ones((1, 2)), np.zeros(3, np.float16))

  def ask(*content):
    found = kept.kept(alone.Scores, compute, content, [str(source)])
    assert found.train.shape == (1, 2) and found.test.dtype == np.float16
    return len(calls)

  assert ask(np.arange(3), "a") == 1
  assert ask(np.arange(3), "a") == 1
  assert ask(np.arange(3.0), "a") == 2  # another type
  assert ask(np.arange(4), "a") == 3
  assert ask(np.arange(3), "b") == 4
  source.write_text("two")
  assert ask(np.arange(3), "a") == 5
  for file in (tmp_path / "vfl_jax" / "controls").glob("*.npz"):
    file.write_bytes(file.read_bytes()[:-30])
  assert ask(np.arange(3), "a") == 6
  assert ask(np.arange(3), "a") == 6
  monkeypatch.setattr(kept, "_MOST", 1)
  assert ask(np.arange(5), "a") == 7
  assert len([*(tmp_path / "vfl_jax" / "controls").glob("*.npz")]) == 1
  with pytest.raises(TypeError, match="no content"):
    ask(np.array([object()]))


def test_a_place_that_cannot_be_written_is_no_obstacle(tmp_path, monkeypatch):
  (tmp_path / "vfl_jax").write_text("a file")
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
  result = alone.Scores(np.ones(2), np.ones(2))
  assert kept.kept(alone.Scores, lambda: result, [1], []) is result
