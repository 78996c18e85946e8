"""What an adversary's view holds of what was recorded."""

import jax
import numpy as np
import pytest

from tests.helpers import tiny
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import loop
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import views

SAMPLES, KNOWN = 200, np.zeros((2, 3), int)


@pytest.fixture(scope="module")
def federation():
  config = tiny.tiny(record__samples=SAMPLES)
  config.attacks, config.defenses = (), ("mixup",)
  config.record.epochs = (1,)
  config = validate.validate(config)
  setup = federation_setup.prepare(config)
  state, kept = federation_setup.initial(config, setup)
  *_, (_, state, kept, _) = loop.fit(
    setup.learner,
    state,
    setup.inputs,
    setup.targets,
    setup.keys,
    start=0,
    epochs=config.train.epochs,
    kept=kept,
  )
  return views.trained(config, setup, state["variables"], kept)


def test_a_party_has_what_it_sent_what_came_down_and_what_was_announced(
  federation,
):
  view = federation.views((0,), KNOWN, KNOWN)
  (kept,) = view.trial.recorded.values()
  assert set(view.trial.recorded) == {1} and kept.averages is None
  assert len(view.shared.recorded_rows) == SAMPLES
  for tree in (kept.gradients, kept.embeddings, kept.pairs):
    assert {a.shape[:2] for a in jax.tree.leaves(tree)} == {(2, SAMPLES)}
  share, partner = np.asarray(kept.pairs.share), np.asarray(kept.pairs.partner)
  # a row in no batch has neither partner nor gradient
  absent = np.isnan(np.asarray(kept.gradients)).any(-1)
  np.testing.assert_array_equal(absent, partner < 0)
  assert ((share[~absent] >= 0) & (share[~absent] <= 1)).all()


def test_a_coalition_has_tuples_of_its_own_and_one_announcement(federation):
  alone = [
    federation.views((k,), KNOWN, KNOWN).trial.recorded[1] for k in (0, 1)
  ]
  together = federation.views((0, 1), KNOWN, KNOWN).trial.recorded[1]
  for name in ("gradients", "embeddings"):
    both = tuple(getattr(kept, name) for kept in alone)
    jax.tree.map(np.testing.assert_array_equal, getattr(together, name), both)
  assert jax.tree.structure(together.pairs) == jax.tree.structure(
    alone[0].pairs
  )
