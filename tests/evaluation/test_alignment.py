"""Informative, aligned, both or neither: on data where that is known."""

import types as standard

import numpy as np
import pytest

from vfl_jax.data import base
from vfl_jax.data import tasks
from vfl_jax.evaluation import alignment

CLASSES, ROWS = 4, 600


def on_a_line(seed=0, parties=2):
  """Each party holds its class, with little noise, as a place on a line."""
  generator = np.random.default_rng(seed)
  splits = {}
  for name in tasks.SPLITS:
    labels = generator.integers(0, CLASSES, ROWS).astype(np.int32)
    inputs = tuple(
      (
        labels[:, None] * np.array([1.0, -1.0])
        + 0.05 * generator.standard_normal((ROWS, 2))
      ).astype(np.float32)
      for _ in range(parties)
    )
    splits[name] = base.Examples(inputs, labels, np.arange(ROWS))
  return base.Dataset(
    "line", "table", CLASSES, **splits, vocabulary=(0,) * parties
  )


def measured(name, metric="accuracy", **options):
  task = tasks.build({"name": name, **options}, CLASSES)
  dataset, natural = tasks.reassign(on_a_line(), task, np.random.default_rng(1))
  rows = alignment.measure(
    standard.SimpleNamespace(dataset=dataset, task=task, natural=natural),
    metric,
  )
  return {(r["party"], r["quantity"]): r for r in rows}


@pytest.mark.parametrize("name", ["identity", "permute"])
def test_a_bijection_leaves_features_aligned(name):
  found = measured(name)
  assert len(found) == 6
  assert all(r["value"] == pytest.approx(1) for r in found.values())
  assert all(r["chance"] < 0.32 for r in found.values())


def test_merged_classes_are_informed_about_and_not_aligned():
  found = measured("merge", groups=2)
  for party in (0, 1):
    assert found[party, "informativeness"]["value"] > 0.99
    # two clusters on a line are its halves, and parity is in both alike
    assert found[party, "clusters"]["value"] < 0.6


def test_a_crossed_task_is_known_to_all_and_to_none():
  found = measured("cross")
  chance = 4 * np.sqrt(0.25 * 0.75 / ROWS)
  for party in (0, 1):
    for quantity in ("informativeness", "clusters"):
      assert abs(found[party, quantity]["value"] - 0.25) < chance
    assert found[party, "class information"]["value"] < 0.02
  assert found["all", "ceiling"]["value"] > 0.99


def test_what_a_class_says_of_the_label_is_counted():
  classes = np.repeat(np.arange(4), 25)
  say = alignment.class_information
  assert say(classes, (classes + 1) % 4) == pytest.approx(1)
  assert say(classes, classes % 2) == pytest.approx(1)
  assert say(classes % 2, classes) == pytest.approx(0.5)
  assert say(classes, np.tile(np.arange(25), 4)) == pytest.approx(0, abs=1e-12)
  assert np.isnan(say(classes, np.zeros(100, int)))


def test_at_full_strength_one_party_knows_all_and_the_other_has_one_class():
  found = measured("cross", strength=1.0)
  assert found[0, "class information"]["value"] == pytest.approx(1)
  assert found[1, "class information"]["value"] == 0
  assert found[0, "informativeness"]["value"] > 0.99
  assert found["all", "ceiling"]["value"] > 0.99


def test_half_of_the_labels_drawn_from_all_lowers_what_can_be_known():
  found = measured("mix", alpha=0.5)
  right = 0.5 + 0.5 / CLASSES
  spread = 4 * np.sqrt(right * (1 - right) / ROWS)
  assert abs(found[0, "informativeness"]["value"] - right) < spread


def test_alignment_is_scored_as_attacks_are():
  found = measured("identity", "balanced_accuracy")
  scored = [r for (_, q), r in found.items() if q != "class information"]
  assert all(r["chance"] == 1 / CLASSES for r in scored)
  assert all(r["metric"] == "balanced_accuracy" for r in scored)


def test_a_ceiling_is_learned_from_every_sample_once(monkeypatch):
  seen = []
  supervised = alignment.supervised

  def watched(x, labels, classes):
    seen.append((len(x["train"]), len(np.unique(x["train"], axis=0))))
    return supervised(x, labels, classes)

  monkeypatch.setattr(alignment, "supervised", watched)
  found = measured("cross", copies=3)
  for informed, natural in (seen[:2], seen[2:]):
    assert informed[0] == 3 * ROWS
    # of 3 n draws from n samples all but about 1/e^3 are met
    assert natural[0] == natural[1] == pytest.approx(0.95 * ROWS, rel=0.03)
  assert found["all", "ceiling"]["value"] > 0.99


def test_sums_of_independent_classes():
  one = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
  other = np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
  np.testing.assert_allclose(
    alignment.added(one, other), [[0.0, 0.5, 0.5], [0.2, 0.3, 0.5]]
  )
