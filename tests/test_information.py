"""Estimators against truths in closed form; the floor near zero."""

import jax
import numpy as np
import pytest

from vfl_jax import information
from vfl_jax.information import fit
from vfl_jax.information import probe

N = 8000
# A lower bound exceeds the truth by sampling alone: 4 standard errors (the
# interval is 1.96 of them) fail once in 15,000 runs. Below, a critic that has
# learnt the density ratio from 4,000 rows falls short by its excess risk,
# about (parameters that matter) / (2 n): under 0.02 nats for the few linear
# or quadratic directions of these problems; 0.05 leaves room for the optimiser.
ERRORS = 4 / 1.96
SHORTFALL = 0.05


def check(estimate, truth, truth_error=0.0):
  slack = ERRORS * np.asarray(estimate.interval) + 4 * truth_error
  assert (estimate.nats <= truth + slack).all(), (estimate, truth)
  assert (estimate.nats >= truth - slack - SHORTFALL).all(), (estimate, truth)
  # permuted labels carry nothing: a bound that was chosen on other rows is
  # within its own error of zero, and is never far above
  assert (np.abs(estimate.floor) < 0.03).all()


def mixture(scale, classes=4, dimension=3):
  """Unit Gaussians around class means; I(T;Y) by Monte Carlo, its error."""
  generator = np.random.default_rng(0)
  means = scale * generator.standard_normal((classes, dimension))
  y = generator.integers(0, classes, N)
  t = means[y] + generator.standard_normal((N, dimension))
  y_mc = generator.integers(0, classes, 200_000)
  t_mc = means[y_mc] + generator.standard_normal((len(y_mc), dimension))
  log_density = -0.5 * ((t_mc[:, None] - means) ** 2).sum(-1)
  own = log_density[np.arange(len(y_mc)), y_mc]
  top = log_density.max(1)
  mixed = top + np.log(np.exp(log_density - top[:, None]).mean(1))
  ratio = own - mixed
  return t, y, ratio.mean(), ratio.std() / np.sqrt(len(ratio))


@pytest.mark.parametrize("estimator", information.ESTIMATORS)
def test_gaussian_mixtures(estimator):
  found = [mixture(s) for s in (0.3, 1.0, 3.0)]
  truths = np.array([f[2] for f in found])
  assert truths[0] < 0.2 < truths[1] < 0.9 < truths[2] < np.log(4)
  for t, y, truth, error in found:
    estimate = information.mutual_information(
      jax.random.key(1), t[None].astype(np.float32), y, estimator=estimator
    )
    check(estimate, truth, error)
    assert abs(estimate.ceiling - np.log(4)) < 0.01
    assert estimate.n == N // 4


@pytest.mark.parametrize("estimator", information.ESTIMATORS)
def test_independent_function_and_xor_in_one_stack_of_padded_layers(estimator):
  generator = np.random.default_rng(3)
  y = generator.integers(0, 2, N)
  signs = generator.choice([-1.0, 1.0], (N, 2))
  signs[:, 1] = signs[:, 0] * (2 * y - 1)  # each alone says nothing
  xor = signs + 0.1 * generator.standard_normal((N, 2))
  noise = generator.standard_normal((N, 4))
  one_hot = np.eye(2)[y]
  layers = np.stack(
    [np.pad(a, ((0, 0), (0, 4 - a.shape[1]))) for a in (noise, one_hot, xor)]
  ).astype(np.float32)
  estimate = information.mutual_information(
    jax.random.key(0), layers, y, estimator=estimator
  )
  check(estimate, np.array([0.0, np.log(2), np.log(2)]))


def test_mine_on_correlated_gaussians_with_float_targets():
  generator = np.random.default_rng(5)
  rho, d = 0.8, 2
  t = generator.standard_normal((N, d))
  y = rho * t + np.sqrt(1 - rho**2) * generator.standard_normal((N, d))
  estimate = information.mutual_information(
    jax.random.key(2), t[None].astype(np.float32), y.astype(np.float32)
  )
  truth = -d / 2 * np.log(1 - rho**2)
  # the marginal is an average over 16 shifted pairings: its error is in the
  # interval; the quadratic critic has 6 directions
  check(estimate, truth)
  assert estimate.ceiling is None


def test_small_samples_do_not_read_information_into_noise():
  """The usual way reports 1.7 nats here; the truth is 0."""
  generator = np.random.default_rng(7)
  layers = generator.standard_normal((6, 500, 16)).astype(np.float32)
  y = generator.integers(0, 10, 500)
  for name in information.ESTIMATORS:
    estimate = information.mutual_information(
      jax.random.key(0), layers, y, estimator=name
    )
    # six layers, none above zero by more than its error
    assert (estimate.nats < ERRORS * estimate.interval + 0.03).all()


def test_parts_are_disjoint_and_exhaustive():
  for n in (40, 41, 43, 1000):
    rows = np.concatenate(fit.parts(n))
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))


def test_probe_reduces_by_principal_components_of_the_fitting_part():
  generator = np.random.default_rng(0)
  strong = generator.standard_normal((200, 3)) * 10
  wide = np.concatenate([strong, generator.standard_normal((200, 97))], 1)
  reduced, share = probe._reduce(wide, 3)
  rows = fit.parts(200)[0]
  centred = wide - wide[rows].mean(0)
  _, s, axes = np.linalg.svd(centred[rows], full_matrices=False)
  np.testing.assert_allclose(
    np.abs(reduced), np.abs(centred @ axes[:3].T), rtol=1e-3, atol=1e-3
  )
  assert abs(share - (s[:3] ** 2).sum() / (s**2).sum()) < 1e-5


@pytest.mark.parametrize(
  "features, targets, words",
  [
    (np.zeros((2, 50, 3)), np.zeros(49, int), r"must be \[layers, n, d\]"),
    (np.zeros((2, 30, 3)), np.zeros(30, int), "at least 40"),
    (np.full((1, 50, 3), np.nan), np.zeros(50, int), "not finite"),
  ],
)
def test_bad_input_is_refused(features, targets, words):
  with pytest.raises(ValueError, match=words):
    information.mutual_information(jax.random.key(0), features, targets)


def test_classifier_refuses_float_targets_and_unknown_names_are_suggested():
  t = np.zeros((1, 50, 2), np.float32)
  with pytest.raises(ValueError, match="take 'mine'"):
    information.mutual_information(
      jax.random.key(0), t, t[0], estimator="classifier"
    )
  with pytest.raises(ValueError, match="did you mean 'mine'"):
    information.mutual_information(
      jax.random.key(0), t, np.zeros(50, int), estimator="mime"
    )
