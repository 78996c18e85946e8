"""Task reassignment: labels by construction, and what the features know."""

import jax
import numpy as np
import pytest
from scipy import stats

from configs.shared import common
from vfl_jax import attacks
from vfl_jax.config import schema
from vfl_jax.data import base
from vfl_jax.data import tasks
from vfl_jax.evaluation import alignment
from vfl_jax.evaluation import trials
from vfl_jax.experiments import experiment
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import loop
from vfl_jax.federation import views
from vfl_jax.models import heads
from vfl_jax.results import tables
import itertools

pytestmark = pytest.mark.usefixtures("without_figures")


def planted(classes=3, rows=900, parties=2, seed=0, shares=None):
  """Features that say class, row, split and party of what is held."""
  generator = np.random.default_rng(seed)
  splits = {}
  for number, name in enumerate(tasks.SPLITS):
    labels = generator.choice(classes, rows, p=shares).astype(np.int32)
    inputs = tuple(
      np.stack(
        [labels, np.arange(rows), np.full(rows, number), np.full(rows, k)], 1
      ).astype(np.float32)
      for k in range(parties)
    )
    splits[name] = base.Examples(inputs, labels, np.arange(rows))
  return base.Dataset(
    "planted", "table", classes, **splits, vocabulary=(0,) * parties
  )


def assigned(dataset, name, seed=99, **options):
  task = tasks.build({"name": name, **options}, dataset.num_classes)
  return tasks.reassign(dataset, task, np.random.default_rng(seed))


@pytest.mark.parametrize(
  "name, options, wanted",
  [
    ("identity", {}, lambda y: y),
    ("permute", {}, lambda y: (y + 1) % 3),
    ("permute", {"order": (2, 0, 1)}, lambda y: np.array([2, 0, 1])[y]),
    ("merge", {}, lambda y: y % 2),
    ("mix", {"alpha": 1.0}, lambda y: y),
  ],
)
def test_maps_of_the_classes_are_the_same_in_every_split(name, options, wanted):
  dataset = planted()
  found, natural = assigned(dataset, name, **options)
  for split in tasks.SPLITS:
    before, after = getattr(dataset, split), getattr(found, split)
    np.testing.assert_array_equal(after.labels, wanted(before.labels))
    np.testing.assert_array_equal(natural[split], [before.labels] * 2)
    assert after.inputs is before.inputs and after.labels.dtype == np.int32


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_mixing_keeps_its_share_and_draws_the_rest_uniformly(alpha):
  found, natural = assigned(planted(rows=30000), "mix", alpha=alpha)
  for split in tasks.SPLITS:
    labels, before = getattr(found, split).labels, natural[split][0]
    right = alpha + (1 - alpha) / 3
    spread = np.sqrt(right * (1 - right) / len(labels))
    assert abs((labels == before).mean() - right) < 4 * spread
    if not alpha:
      table = np.histogram2d(labels, before, bins=3)[0]
      assert stats.chi2_contingency(table).pvalue > 1e-4


def test_splitting_halves_each_class_by_what_the_last_party_holds():
  generator = np.random.default_rng(0)
  dataset = planted(rows=2000)
  hidden = {}
  splits = {}
  for name in tasks.SPLITS:
    part = getattr(dataset, name)
    hidden[name] = generator.standard_normal(2000)
    noise = 0.1 * generator.standard_normal((2000, 3))
    own = hidden[name][:, None] * np.array([1, -1, 1]) + noise
    splits[name] = part._replace(inputs=(part.inputs[0], own))
  dataset = dataset._replace(**splits)
  found, natural = assigned(dataset, "split", parts=2)
  assert found.num_classes == 6
  for name in tasks.SPLITS:
    labels = getattr(found, name).labels
    np.testing.assert_array_equal(labels // 2, natural[name][0])
    # the component's sign is its own affair
    upper = (hidden[name] > 0).astype(int)
    agree = (labels % 2 == upper).mean()
    assert max(agree, 1 - agree) > 0.9
  halves = np.bincount(found.train.labels).reshape(3, 2)
  assert (np.abs(halves[:, 0] - halves[:, 1]) <= 1).all()


@pytest.mark.parametrize("parties", [2, 3])
def test_crossed_labels_are_sums_that_no_single_party_knows(parties):
  shares = [0.7, 0.2, 0.1]  # natural classes are far from uniform
  dataset = planted(rows=20000, parties=parties, shares=shares)
  found, natural = assigned(dataset, "cross")
  for number, name in enumerate(tasks.SPLITS):
    part = getattr(found, name)
    held = np.stack([x[:, 0] for x in part.inputs])
    np.testing.assert_array_equal(held, natural[name])
    np.testing.assert_array_equal(part.labels, held.sum(0) % 3)
    for k, x in enumerate(part.inputs):
      assert (x[:, 2] == number).all() and (x[:, 3] == k).all()
      rows = x[:, 1].astype(int)  # a slice is one that was there
      before = getattr(dataset, name).inputs[k][rows]
      np.testing.assert_array_equal(x, before)
      table = np.histogram2d(part.labels, x[:, 0], bins=3)[0]
      assert stats.chi2_contingency(table).pvalue > 1e-4
    for a, b in itertools.pairwise(held):
      assert stats.chi2_contingency(np.histogram2d(a, b, bins=3)[0])[1] > 1e-4


def information_by_the_formula(strength, classes):
  """Of the class of party 0 and the label, as a share of H(Y)."""
  rest = np.full(classes, (1 - strength) / classes)
  rest[0] += strength
  return 1 - stats.entropy(rest) / np.log(classes)


@pytest.mark.parametrize("parties", [2, 3])
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.7, 1.0])
def test_a_crossed_label_says_as_much_of_one_class_as_its_strength(
  parties, strength
):
  dataset = planted(rows=20000, parties=parties, shares=[0.7, 0.2, 0.1])
  found, natural = assigned(dataset, "cross", strength=strength)
  for name in tasks.SPLITS:
    labels = getattr(found, name).labels
    np.testing.assert_array_equal(labels, natural[name].sum(0) % 3)
    told, *others = [
      alignment.class_information(held, labels) for held in natural[name]
    ]
    wanted = information_by_the_formula(strength, 3)
    assert told == pytest.approx(wanted, abs=0.02)
    if parties == 2:  # of three, one completes what the other holds
      assert others[0] < 1e-3


def test_one_party_has_no_others_whose_classes_sum_to_zero():
  with pytest.raises(ValueError, match="one party holds all features"):
    assigned(planted(parties=1), "cross", strength=0.5)


def test_copies_combine_training_slices_anew():
  dataset = planted(rows=300)
  found, natural = assigned(dataset, "cross", copies=3)
  assert len(found.train.labels) == 900 and natural["train"].shape == (2, 900)
  assert len(found.test.labels) == len(found.validation.labels) == 300
  assert len(np.unique(found.train.ids)) == 900
  pairs = np.stack([x[:, 1] for x in found.train.inputs], 1)
  assert len(np.unique(pairs, axis=0)) > 850  # hardly any is met again


def test_crossing_needs_every_class_in_every_split():
  dataset = planted()
  test = dataset.test._replace(labels=np.zeros(900, np.int32))
  with pytest.raises(ValueError, match="the test rows lack some"):
    assigned(dataset._replace(test=test), "cross")


@pytest.mark.parametrize(
  "options, said",
  [
    ({"name": "mix", "alpha": 1.5}, "alpha is 1.5; take 0 to 1"),
    ({"name": "split", "parts": 1}, "parts is 1; take at least 2"),
    ({"name": "merge", "groups": 1}, "groups is 1; take 2 to 10"),
    ({"name": "permute", "order": (1, 1)}, "must permute 0..9"),
    ({"name": "cross", "copies": 0}, "copies is 0; take at least 1"),
    ({"name": "cross", "strength": 1.2}, "strength is 1.2; take 0 to 1"),
    ({"name": "crss"}, "did you mean 'cross'"),
  ],
)
def test_tasks_that_cannot_be_are_refused(options, said):
  config = schema.defaults()
  config.task = options
  with pytest.raises(ValueError, match=said):
    validate.validate(config)


@pytest.mark.slow
@pytest.mark.parametrize(
  "options, classes",
  [({"name": "split"}, 20), ({"name": "cross"}, 10), ({"name": "mix"}, 10)],
)
def test_an_experiment_trains_on_the_reassigned_task(
  tmp_path, options, classes
):
  config = common.experiment("tiny", "step")
  config.task = options
  config.data.train_size = 800
  config.information.estimators = ()
  experiment.run(validate.validate(config), tmp_path)
  loaded = experiment.load(tmp_path)
  assert loaded.federation.dataset.num_classes == classes
  assert len(tables.read(tmp_path, "leakage"))


def _trained(name, order):
  """A small federation whose output layer begins with permuted columns."""
  config = common.experiment("tiny", "step")
  config.task = {"name": name}
  config.data.train_size = 400
  config.train.epochs, config.train.steps_per_epoch = 2, 5
  config.train.batch_size = 40
  config.record.epochs = (0, 1)
  config = validate.validate(config)
  setup = federation_setup.prepare(config)
  state, kept = federation_setup.initial(config, setup)
  last = setup.net.model.stages[-1].name
  layer = state["variables"]["top"]["params"][last]["Dense_0"]
  for part in layer:
    layer[part] = layer[part][..., order]
  *_, (_, state, kept, _) = loop.fit(
    setup.learner,
    state,
    setup.inputs,
    setup.targets,
    setup.keys,
    start=0,
    epochs=2,
    kept=kept,
  )
  return views.trained(config, setup, state["variables"], kept)


@pytest.mark.parametrize(
  "name, options",
  [
    ("norm", {}),
    ("direction", {}),
    ("hint", {}),
    ("similarity", {}),
    ("similarity", {"on": "embeddings"}),
    ("passive_completion", {"steps": 20}),
    ("unsplit", {"steps": 20}),
    ("exploit", {"steps": 20}),
  ],
)
def test_another_order_of_the_classes_changes_no_attack(
  name, options, both_orders, monkeypatch
):
  """Where outputs and auxiliary samples begin in that order too.

  Clusters are named by an assignment whose ties the order decides: they are
  left out.
  """
  classes = 10
  shift = np.roll(np.arange(classes), -1)  # class c is called shift[c]
  back = np.argsort(shift)  # and the new class c was back[c]
  natural, renamed = both_orders
  rows = np.stack(
    [
      np.flatnonzero(natural.dataset.train.labels == c)[:4]
      for c in range(classes)
    ]
  )
  labels = np.repeat(np.arange(classes), 4)
  attack = attacks.build(name, **{"budget": 1, **options})
  found = []
  for f, order in ((natural, np.arange(classes)), (renamed, back)):
    known = rows[order].ravel()
    whose = labels
    if name == "passive_completion":  # batches draw from them in their order
      known, whose = rows.ravel(), np.repeat(np.argsort(order), 4)
    head = heads.head

    def permuted(count, depth, order=order, head=head):
      init, apply = head(count, depth)

      def start(key, x):
        variables = init(key, x)
        outer = variables["params"]
        layer = outer[sorted(n for n in outer if "Dense" in n)[-1]]
        for part in layer:
          layer[part] = layer[part][..., order]
        return variables

      return start, apply

    monkeypatch.setattr(heads, "head", permuted)
    trials._compiled.cache_clear()
    view = f.views((0,), known[None], whose[None])
    keys = jax.random.split(jax.random.key(1), 1)
    inference = trials.infer(attack, keys, view, "map")
    monkeypatch.setattr(heads, "head", head)
    found.append(np.asarray(inference.train)[0])
  here, there = found
  there = there[:, shift]
  spoken = np.isfinite(here).all(1)
  np.testing.assert_array_equal(spoken, np.isfinite(there).all(1))
  assert spoken.sum() >= 200
  same = here[spoken].argmax(1) == there[spoken].argmax(1)
  # but for the last bits, which a head in training multiplies
  assert same.mean() > (0.9 if name == "passive_completion" else 0.99)


@pytest.fixture(scope="module")
def both_orders():
  back = np.argsort(np.roll(np.arange(10), -1))
  natural = _trained("identity", np.arange(10))
  renamed = _trained("permute", back)
  bottoms = natural.variables["bottoms"], renamed.variables["bottoms"]
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), *bottoms
  )
  return natural, renamed
