"""More of what an attack may know never hurts it, beyond noise."""

import numpy as np
import pytest

from tests.helpers import leaks
from tests.helpers import planted
from vfl_jax import attacks
from vfl_jax.evaluation import metrics

SEEDS = range(5)
# An AUC of .75 from 460 rows of each class has a standard error of about .016,
# a difference of two 1.4 times that, and a mean of five seeds .010.
# This is three of them.
NOISE = 0.03
ON_GRADIENTS = (
  *("norm", "direction", "hint", "similarity"),
  *("gradient_clustering", "supervised_gradients"),
)
ON_EMBEDDINGS = ("spectral", "supervised_embeddings")
KINDS = {"norm": leaks.norm}  # of others a direction


def scores(name, *, per_class=10, epochs=1, shares=None, positive=0.5):
  """AUC on the same rows, by seed; half of the rows of each epoch leak."""
  found = []
  for seed in SEEDS:
    generator = np.random.default_rng(seed)
    labels = (generator.random(leaks.N) < positive).astype(int)
    plant = KINDS.get(name, leaks.direction)
    seen = {
      e: leaks.planted(labels, plant, 0.5, 100 * seed + e)
      for e in range(epochs)
    }
    if name in ON_EMBEDDINGS:
      how = {"train": seen[0]}
    else:
      how = {"gradients": seen}
    view = planted.victim(labels, **how, per_class=per_class, prior=shares)
    most = planted.victim(labels, per_class=40).trial.aux_rows
    rows = np.setdiff1d(np.arange(leaks.N), most)
    answer = planted.infer(attacks.build(name, budget=1), view)
    answer = np.nan_to_num(np.asarray(answer.train)[rows])
    found.append(metrics.score("auc", answer, labels[rows]))
  return np.array(found)


def never_worse(more, less):
  gain = more - less
  error = gain.std(ddof=1) / np.sqrt(len(gain))
  assert gain.mean() > -max(NOISE, 3 * error), (more, less)


@pytest.mark.parametrize("name", ON_GRADIENTS + ON_EMBEDDINGS)
def test_more_known_samples_never_hurt(name):
  few, some, many = (scores(name, per_class=k) for k in (3, 10, 40))
  never_worse(some, few)
  never_worse(many, some)


@pytest.mark.parametrize("name", ON_GRADIENTS + ON_EMBEDDINGS)
def test_class_shares_never_hurt(name):
  for positive in (0.5, 0.2):
    told = scores(name, positive=positive, shares=(1 - positive, positive))
    never_worse(told, scores(name, positive=positive))


@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_more_epochs_never_hurt(name):
  one, three = (scores(name, epochs=k) for k in (1, 3))
  never_worse(three, one)
