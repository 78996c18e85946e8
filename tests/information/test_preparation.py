"""Units, offsets, order, ties and copies change no information."""

import collections

import hypothesis
from hypothesis import strategies
import jax
import numpy as np
import pytest

from vfl_jax.information import estimate
from vfl_jax.information import preparation
from vfl_jax.information import projection

N = 1000


def read(t, y, name="classifier", **options):
  t = np.asarray(t)
  layer = t.reshape(len(t), -1)
  if name == "classifier":
    options = {"steps": 200, **options}
  return estimate.mutual_information(
    jax.random.key(0), [layer], y, estimator=name, **options
  )


def informative(seed=0):
  """One column whose information is exactly log 2, labels, and noise."""
  generator = np.random.default_rng(seed)
  y = generator.integers(0, 2, N)
  return generator.random(N) + y, y, generator.standard_normal(N)


# --- units -------------------------------------------------------------------


SAME = {
  "as it is": lambda x, noise: x,
  "beside noise of scale 1e4": lambda x, noise: np.stack([x, 1e4 * noise], 1),
  "offset 1e7": lambda x, noise: x + 1e7,
  "unix time": lambda x, noise: 1.7e9 + 50 * x,
  "three of a thousand cells 999999": lambda x, noise: np.where(
    np.arange(N) % 400 == 0, 999999.0, x
  ),
  "times 1e20": lambda x, noise: 1e20 * x,
  "times 1e-20": lambda x, noise: 1e-20 * x,
  "its exponential, 1e-9 to 1e9": lambda x, noise: np.exp(20 * (x - 1)),
  "beside constants and itself": lambda x, noise: np.stack(
    [np.full(N, 7.0), x, x, 3 * x - 5], 1
  ),
}


@pytest.mark.parametrize("name", ["classifier", "neighbors"])
@pytest.mark.parametrize("what", SAME)
def test_units_offsets_and_outliers_change_nothing(what, name):
  x, y, noise = informative()
  found = read(SAME[what](x, noise), y, name)
  assert found.nats[0] == pytest.approx(np.log(2), abs=0.05), found


@pytest.mark.parametrize("name", ["classifier", "neighbors"])
def test_heavy_tails_hide_nothing(name):
  """Cauchy noise: the truth is the mean of a log ratio of densities."""
  generator = np.random.default_rng(0)
  y = generator.integers(0, 2, 2 * N)
  t = generator.standard_t(1, (2 * N, 2))
  t[:, 0] += 3 * y
  density = [1 / (1 + (t[:, 0] - shift) ** 2) for shift in (0, 3)]
  own = np.where(y, density[1], density[0])
  truth = np.log(2) + np.log(own / sum(density)).mean()
  found = read(t, y, name)
  assert found.nats[0] == pytest.approx(truth, abs=0.06)
  assert any("cells far outside" in w for w in found.warnings[0])


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
  seed=strategies.integers(0, 2**32 - 1),
  scale=strategies.floats(1e-12, 1e12),
  offset=strategies.floats(-1e3, 1e3),
)
def test_columns_come_out_alike_whatever_their_units(seed, scale, offset):
  generator = np.random.default_rng(seed)
  t = generator.standard_normal((60, 4)) * np.array([1, 5, 0.1, 1])
  t[:, 3] = np.maximum(t[:, 3], 0)  # half of it tied
  plain, _ = preparation.scaled(t)
  turned, _ = preparation.scaled(scale * (t + offset))
  np.testing.assert_allclose(turned, plain, rtol=1e-3, atol=1e-4)
  np.testing.assert_allclose(
    preparation.ranked(turned), preparation.ranked(plain), atol=0.1
  )


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(seed=strategies.integers(0, 2**32 - 1))
def test_counting_is_indifferent_to_order_units_and_copied_columns(seed):
  generator = np.random.default_rng(seed)
  y = generator.integers(0, 3, 120)
  t = generator.standard_normal((120, 3)) + y[:, None]
  t[:, 2] = np.round(t[:, 2])  # ties
  plain = read(t, y, "neighbors").nats[0]
  rows = generator.permutation(120)
  columns = generator.permutation(3)
  turned = np.exp(t[rows][:, columns]) * 10.0 ** generator.integers(-9, 9, 3)
  more = np.concatenate([turned, turned[:, :1], np.ones((120, 1))], axis=1)
  assert read(more, y[rows], "neighbors").nats[0] == pytest.approx(plain)


def test_dropped_columns_leave_the_shape_that_programs_are_compiled_for():
  generator = np.random.default_rng(0)
  t = generator.standard_normal((N, 6))
  fewer = np.where(np.arange(6) < 2, 0, t)
  stacks = [
    projection.stacks([projection.reduce(layer, 8)], 4) for layer in (t, fewer)
  ]
  (whole,), (rest,) = stacks
  assert whole.features.shape == rest.features.shape == (1, N, 12)
  assert (whole.widths.tolist(), rest.widths.tolist()) == ([12], [8])
  assert not rest.features[0, :, 8:].any()


# --- order and copies --------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 4])
def test_sorted_rows_read_as_shuffled_ones(classes):
  generator = np.random.default_rng(0)
  y = np.sort(generator.integers(0, classes, N))
  t = 3 * np.eye(classes)[y] + 0.3 * generator.standard_normal((N, classes))
  assert read(t, y).nats[0] == pytest.approx(np.log(classes), abs=0.05)


@pytest.mark.parametrize("name", ["classifier", "linear", "neighbors"])
def test_copies_of_rows_do_not_tell_each_other_their_label(name):
  generator = np.random.default_rng(0)
  t, y = generator.standard_normal((200, 8)), generator.integers(0, 2, 200)
  rows = generator.permutation(np.repeat(np.arange(200), 5))
  found = read(t[rows], y[rows], name)
  assert abs(found.nats[0]) < 0.1 + found.interval[0]


def test_equal_values_with_different_labels_are_no_copies():
  """An age and a sex: rows repeat, and say what they say."""
  generator = np.random.default_rng(0)
  t = np.stack([generator.integers(20, 60, N), generator.integers(0, 2, N)], 1)
  y = (generator.random(N) < np.where(t[:, 1], 0.9, 0.1)).astype(int)
  groups = preparation.copies([t.astype(float)], y)
  assert len(np.unique(groups)) == N
  truth = np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)
  assert read(t, y).nats[0] == pytest.approx(truth, abs=0.08)


def test_a_layer_that_maps_rows_to_zero_has_no_copies():
  """Dead ReLUs of one class: equal rows with equal labels are information."""
  generator = np.random.default_rng(0)
  y = generator.integers(0, 2, N)
  x = generator.standard_normal((N, 4)) + 0.8 * y[:, None]
  dead = generator.random(N) < 0.2
  collapsed = np.where((dead & (y == 0))[:, None], 0, np.abs(x) + 1)
  for layers in ([collapsed], [x, collapsed]):
    assert len(np.unique(preparation.copies(layers, y))) == N
  # copies of the input are copies in every layer
  rows = np.repeat(np.arange(200), 5)
  groups = preparation.copies([x[rows], collapsed[rows]], y[rows])
  assert len(np.unique(groups)) == 200


def test_copies_share_a_block_and_blocks_are_equal():
  generator = np.random.default_rng(0)
  groups = np.repeat(np.arange(100), generator.integers(1, 8, 100))
  order = preparation.order(generator, groups, 4)
  assert len(np.unique(order)) == len(order) > 0.95 * len(groups)
  blocks = np.split(groups[order], 4)
  for i in range(4):
    for j in range(i):
      assert not set(blocks[i]) & set(blocks[j])


# --- ties --------------------------------------------------------------------


def counted(a, b):
  """Information of two columns of few values, from their table."""
  n = len(a)
  pairs, one, other = (collections.Counter(x) for x in (zip(a, b), a, b))
  return sum(
    v / n * np.log(v * n / (one[i] * other[j])) for (i, j), v in pairs.items()
  )


def test_ties_of_values_are_counted():
  generator = np.random.default_rng(1)
  whole = lambda low, high: generator.integers(low, high, 2 * N).astype(float)
  rating = whole(0, 5)
  related = rating + whole(0, 2)
  cases = [
    (rating, whole(0, 5), 0),
    (whole(18, 80), whole(0, 10), 0),
    (whole(0, 2), whole(0, 2), 0),
    (*generator.standard_normal((2, 2 * N)).round(1), 0),
    (rating, related, counted(rating, related)),
  ]
  for t, y, truth in cases:
    found = read(t, y, "neighbors")
    assert found.nats[0] == pytest.approx(truth, abs=0.06)
    assert abs(found.floor[0]) < 0.06


def test_a_layer_of_zeros_and_values_reads_no_less_than_nothing():
  """ReLU in 20 columns: most rows tie in most of them."""
  generator = np.random.default_rng(0)
  y = generator.integers(0, 2, N)
  noise = generator.standard_normal((N, 20)) - 1.5
  nothing = read(np.maximum(noise, 0), y, "neighbors")
  assert abs(nothing.nats[0]) < 0.05
  told = read(np.maximum(noise + y[:, None], 0), y, "neighbors")
  assert 0.2 < told.nats[0] < np.log(2)


def test_fifteen_sixteen_and_seventeen_columns_are_counted_alike():
  from scipy import special
  from scipy.spatial import distance

  generator = np.random.default_rng(0)
  y = generator.integers(0, 2, N)
  x = generator.standard_normal((N, 17)) + 0.3 * y[:, None]
  for columns in (15, 16, 17):
    t = preparation.ranked(x[:, :columns]).astype(float)
    gaps = distance.cdist(t, t)
    np.fill_diagonal(gaps, np.inf)
    radius = np.sort(np.where(y[:, None] == y, gaps, np.inf), 1)[:, 2]
    within = (gaps < radius[:, None]).sum(1) + 1
    exact = (
      special.digamma(N)
      + special.digamma(3)
      - np.mean(special.digamma(np.bincount(y)[y]) + special.digamma(within))
    )
    found = read(x[:, :columns], y, "neighbors")
    assert found.nats[0] == pytest.approx(exact, abs=1e-6)


# --- what is not seen is said ------------------------------------------------


def test_a_label_in_one_of_many_quiet_columns_is_missed_with_a_word():
  generator = np.random.default_rng(0)
  y = generator.integers(0, 2, N)
  t = generator.standard_normal((N, 512))
  t[:, 7] = 0.1 * (0.2 * t[:, 7] + y)
  found = read(t, y)
  assert any("variance not seen" in w for w in found.warnings[0])
