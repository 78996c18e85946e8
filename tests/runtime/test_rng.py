"""Draws of our own: the generator is JAX's, the laws are those they claim."""

import math
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vfl_jax.runtime import rng

pytestmark = pytest.mark.numbers

PACKAGE = pathlib.Path(rng.__file__).parent
LAWS = {
  "normal": (rng.normal, stats.norm),
  "laplace": (rng.laplace, stats.laplace),
}
BOUNDED = {
  "uniform": (rng.uniform, stats.uniform),
  "beta": (lambda k, s: rng.beta(k, 0.75, s), stats.beta(0.75, 0.75)),
  "narrow beta": (lambda k, s: rng.beta(k, 16.0, s), stats.beta(16, 16)),
}
MOMENTS = {  # of order 2, 4 and 8
  "normal": (1, 3, 105),
  "laplace": (math.factorial(2), math.factorial(4), math.factorial(8)),
}


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 3), (40, 25)])
def test_words_are_those_of_jax(shape):
  key = jax.random.fold_in(jax.random.key(3), 5)
  first, second = rng.words(key, shape)
  wanted = jax.random.bits(key, shape, jnp.uint32)
  np.testing.assert_array_equal(first ^ second, wanted)


def test_what_is_that_of_jax():
  key = jax.random.key(7)
  data = jax.random.key_data
  for shape in ((3,), (2, 5)):
    np.testing.assert_array_equal(
      rng.bits(key, shape), jax.random.bits(key, shape)
    )
  for number in (0, 3, 2**32 - 1, jnp.int32(12)):
    np.testing.assert_array_equal(
      data(rng.fold_in(key, number)), data(jax.random.fold_in(key, number))
    )
  for count in (1, 2, 9):
    np.testing.assert_array_equal(
      data(rng.split(key, count)), data(jax.random.split(key, count))
    )
  for count in (1, 2, 30, 3000):  # none, one, one and two sorts
    np.testing.assert_array_equal(
      rng.permutation(key, count), jax.random.permutation(key, count)
    )


def test_another_default_generator_changes_nothing():
  wanted = rng.normal(rng.stream(rng.root(3), "a", 1), (5,))
  with jax.default_prng_impl("rbg"):
    found = rng.normal(rng.split(rng.stream(rng.root(3), "a", 1), 1)[0], (5,))
    np.testing.assert_array_equal(
      rng.normal(rng.stream(rng.root(3), "a", 1), (5,)), wanted
    )
  assert (found != wanted).all()


def test_streams_differ_by_name_and_by_each_of_their_numbers():
  keys = [
    rng.stream(rng.root(seed), name, *numbers)
    for seed in (0, 1)
    for name in ("shuffle", "moment")
    for numbers in ((), (0,), (1,), (0, 0), (0, 1), (1, 0))
  ]
  assert len({tuple(jax.random.key_data(k).tolist()) for k in keys}) == 24


def test_keys_that_are_none_are_refused():
  for key in (jax.random.key(0, impl="rbg"), jax.random.split(rng.root(0))):
    with pytest.raises(ValueError, match="take rng.root"):
      rng.stream(key, "a")
    with pytest.raises(ValueError, match="take rng.root"):
      rng.normal(key, (2,))


def test_programs_draw_nothing_with_jax_itself():
  """It takes a second of compiling for each draw; see `rng`."""
  allowed = {"key", "key_data", "key_impl", "wrap_key_data"}
  for path in sorted(PACKAGE.rglob("*.py")):
    code = re.sub(r'""".*?"""', "", path.read_text("utf-8"), flags=re.DOTALL)
    assert set(re.findall(r"jax\.random\.(\w+)", code)) <= allowed, path


@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_laws(name):
  draw, law = BOUNDED[name]
  x = np.asarray(draw(jax.random.key(0), (500, 500)), np.float64)
  assert x.min() >= 0 and (x.max() < 1 or name != "uniform")
  statistic = stats.kstest(x.ravel(), law.cdf).statistic
  # and what 4,096 quantiles are from the law at most
  assert statistic < 1.95 / math.sqrt(x.size) + 1 / 4096
  bound = 5 / math.sqrt(x.size)
  for a, b in ((x[1:], x[:-1]), (x[:, 1:], x[:, :-1])):
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < bound


@pytest.mark.parametrize("below", [1, 7, 40])
def test_integers_are_even(below):
  draw = jax.jit(rng.integers, static_argnums=1)
  x = np.asarray(draw(jax.random.key(1), (300, 400), jnp.int32(below)))
  assert x.dtype == np.int32 and x.min() == 0 and x.max() == below - 1
  assert stats.chisquare(np.bincount(x.ravel())).pvalue > 1e-3 or below == 1


def test_orders_are_even():
  x = np.asarray(rng.orders(jax.random.key(2), (24000, 4)))
  np.testing.assert_array_equal(np.sort(x, 1), np.arange(4) + 0 * x)
  _, counts = np.unique(x, axis=0, return_counts=True)
  assert len(counts) == 24 and stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("name", LAWS)
def test_laws(name):
  draw, law = LAWS[name]
  x = np.asarray(draw(jax.random.key(0), (1000, 1000)), np.float64)
  n = x.size
  # P(sqrt(n) D > 1.95) is .001 (Kolmogorov)
  assert stats.kstest(x.ravel(), law.cdf).statistic < 1.95 / math.sqrt(n)
  # within five of their standard deviations
  second, fourth, eighth = MOMENTS[name]
  for power, mean, square in ((2, second, fourth), (4, fourth, eighth)):
    spread = math.sqrt((square - mean**2) / n)
    assert abs((x**power).mean() - mean) < 5 * spread
  # the tails: what exceeds a bound is Poisson, here of mean 100
  for side in (-1, 1):
    beyond = (side * x > law.isf(100 / n)).sum()
    assert 50 < beyond < 150


@pytest.mark.parametrize("name", LAWS)
def test_places_rows_and_keys_are_uncorrelated(name):
  draw, _ = LAWS[name]
  one, other = (np.asarray(draw(jax.random.key(k), (400, 500))) for k in (0, 1))
  for a, b in ((one, other), (one[1:], one[:-1]), (one[:, 1:], one[:, :-1])):
    bound = 5 / math.sqrt(a.size)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < bound
    assert abs(np.corrcoef(abs(a).ravel(), abs(b).ravel())[0, 1]) < bound


@pytest.mark.parametrize("name", LAWS)
def test_a_key_draws_the_same_among_others(name):
  draw, _ = LAWS[name]
  keys = jax.random.split(jax.random.key(0), 3)
  together = jax.jit(jax.vmap(lambda key: draw(key, (13, 7))))(keys)
  for key, row in zip(keys, together, strict=True):
    np.testing.assert_array_equal(
      jax.jit(draw, static_argnums=1)(key, (13, 7)), row
    )


@pytest.mark.parametrize("name", LAWS)
def test_the_least_and_the_largest_word_are_finite(name, monkeypatch):
  draw, _ = LAWS[name]
  ends = jnp.array([0, 2**31 - 1, 2**31, 2**32 - 1], jnp.uint32)
  both = tuple(a.ravel() for a in jnp.meshgrid(ends, ends))
  monkeypatch.setattr(rng, "words", lambda key, shape: both)
  assert np.isfinite(draw(jax.random.key(0), (16,))).all()
