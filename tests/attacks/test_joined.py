"""Features beside gradients: what either holds is found, and who gave it."""

import numpy as np
import pytest

from tests.helpers import planted
from vfl_jax import attacks
from vfl_jax.attacks import joined
from vfl_jax.evaluation import metrics

JOINING = ("direction", "hint", "gradient_clustering", "similarity")


def measured(name, in_features, in_gradients):
  """Accuracies on both, on features alone, on gradients alone."""
  labels, _ = planted.truth()
  generator = np.random.default_rng(0)

  def half(told, scale):
    x = generator.standard_normal((planted.N, planted.C))
    return scale * (x + 4 * told * np.eye(planted.C)[labels])

  # units differ a thousandfold: they must not matter
  view = planted.view_of(
    half(in_features, 1000.0),
    np.zeros((1, planted.C)),
    labels,
    gradients=half(in_gradients, 1e-3).astype(np.float32),
  )
  plain = attacks.build(name, budget=100)
  both = joined.with_features(plain)
  found = []
  for infer in (both.infer, both.alone, plain.infer):
    answer = planted.infer(plain._replace(infer=infer), view)
    scores = np.asarray(answer.train)
    rows = np.asarray(answer.rows)
    known = np.isin(rows, np.asarray(view.trial.aux_rows))
    found.append(
      metrics.score("accuracy", scores[~known], labels[rows][~known])
    )
  return found


@pytest.mark.parametrize("name", JOINING)
def test_what_either_holds_is_found_and_the_control_says_which(name):
  both, alone, plain = measured(name, in_features=1, in_gradients=0)
  assert alone > 0.6 and plain < 0.35 and both > plain + 0.2
  assert alone > both - 0.1  # no leak: gradients add nothing
  both, alone, plain = measured(name, in_features=0, in_gradients=1)
  assert alone < 0.35 and both > alone + 0.2 and plain > 0.6
  both, alone, plain = measured(name, in_features=0, in_gradients=0)
  assert max(both, alone, plain) < 0.35


def test_weak_halves_are_stronger_together():
  both, alone, plain = measured("similarity", 0.5, 0.5)
  assert both > max(alone, plain)


def test_which_attacks_join():
  for name in attacks.ATTACKS:
    assert attacks.build(name, budget=1).joins == (
      name in (*JOINING, "supervised_gradients")
    )
  assert not attacks.build("hint", unmix=True).joins
  assert not attacks.build("similarity", on="embeddings").joins
