"""Problems whose mutual information is known: what an estimator is held to.

All are mixtures of unit Gaussians with a class per component, so that p(y|t)
is in closed form and I(T;Y) = H(Y) - E[H(Y|T)] is an average over fresh draws,
with a standard error. A smooth invertible warp of T changes nothing.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

MODES = 4  # components of a class of "multimodal"
_DRAWS = 20_000  # that a truth is averaged over
_SEARCH = 4_000  # the same for a step of the search for a scale


class Problem(NamedTuple):
  """Samples and what they are worth.

  Attributes:
    t: features `[n, d]`.
    y: labels `[n]`.
    truth: I(T;Y) in nats.
    error: standard error of the truth.
  """

  t: np.ndarray
  y: np.ndarray
  truth: float
  error: float


class Mixture(NamedTuple):
  """Means of unit Gaussians `[components, d]` and their classes."""

  means: np.ndarray
  classes: np.ndarray

  def draw(self, generator: np.random.Generator, n: int):
    """`(t, y)` of n samples."""
    which = generator.integers(0, len(self.means), n)
    noise = generator.standard_normal((n, self.means.shape[1]))
    return self.means[which] + noise, self.classes[which]

  def information(self, generator, draws: int) -> tuple[float, float]:
    """I(T;Y) in nats and its standard error."""
    t, y = self.draw(generator, draws)
    # |t - m|^2 up to what does not depend on the component
    log_density = t @ self.means.T - 0.5 * (self.means**2).sum(1)
    log_all = special.logsumexp(log_density, axis=1)
    own = self.classes[None] == y[:, None]
    log_own = special.logsumexp(np.where(own, log_density, -np.inf), axis=1)
    shares = np.bincount(self.classes) / len(self.classes)
    pointwise = log_own - log_all - np.log(shares[y])
    return float(pointwise.mean()), float(pointwise.std() / np.sqrt(draws))


def _mixture(generator, d, classes):
  return Mixture(generator.standard_normal((classes, d)), np.arange(classes))


def _multimodal(generator, d, classes):
  """Several clusters a class, so that no linear map separates them."""
  means = generator.standard_normal((MODES * classes, d))
  return Mixture(means, np.arange(MODES * classes) % classes)


def _xor(generator, d, classes):
  """A second half of T turns the classes by half a circle.

  Either sign of it is as likely in every class, so alone it says nothing;
  with two classes neither half says anything alone.
  """
  first, second = d - d // 2, d // 2
  of_class = generator.standard_normal((classes, first))
  turn = generator.standard_normal((1, second))
  means = np.concatenate(
    [
      np.hstack([of_class, np.tile(sign * turn, (classes, 1))])
      for sign in (-1, 1)
    ]
  )
  label = np.arange(classes)
  return Mixture(
    means, np.concatenate([label, (label + classes // 2) % classes])
  )


def _warp(generator, t):
  """A rotation, a smooth monotone map of every axis, another rotation."""
  d = t.shape[1]
  first, second = (
    np.linalg.qr(generator.standard_normal((d, d)))[0] for _ in range(2)
  )
  turned = t @ first
  scale = np.sqrt((turned**2).mean())
  return np.sinh(turned / scale) @ second


SHAPES = {
  "mixture": _mixture,
  "warped": _mixture,
  "multimodal": _multimodal,
  "xor": _xor,
}


def problem(
  shape: str, seed: int, *, n: int, d: int, classes: int, level: float
) -> Problem:
  """Samples of a known I(T;Y) of about `level` times log(classes).

  Args:
    shape: a key of `SHAPES`.
    seed: of everything that is drawn.
    n: samples.
    d: width of T, at least 2.
    classes: equally likely, at least 2.
    level: 0 (independent) to below 1.

  >>> p = problem("xor", 0, n=100, d=2, classes=2, level=0.5)
  >>> p.t.shape, bool(abs(p.truth - 0.5 * np.log(2)) < 0.03)
  ((100, 2), True)
  """
  generator = np.random.default_rng([seed, n, d, classes, int(1000 * level)])
  unit = SHAPES[shape](generator, d, classes)
  if not level:
    t, _ = unit.draw(generator, n)
    y = generator.integers(0, classes, n)
    truth, error = 0.0, 0.0
  else:
    mixture = _scaled(unit, level * np.log(classes), generator)
    t, y = mixture.draw(generator, n)
    truth, error = mixture.information(generator, _DRAWS)
  if shape == "warped":
    t = _warp(generator, t)
  return Problem(t.astype(np.float32), y, truth, error)


def _scaled(unit, wanted, generator):
  """The mixture with its means moved apart until it holds what is wanted."""
  low, high = 0.0, 1.0
  seed = int(generator.integers(2**31))

  def reached(scale):
    mixture = unit._replace(means=scale * unit.means)
    fixed = np.random.default_rng(seed)  # one sample for the whole search
    return mixture.information(fixed, _SEARCH)[0]

  while reached(high) < wanted and high < 1e3:
    low, high = high, 2 * high
  for _ in range(12):
    middle = (low + high) / 2
    low, high = (middle, high) if reached(middle) < wanted else (low, middle)
  return unit._replace(means=high * unit.means)


def gaussians(seed: int, *, n: int, d: int, rho: float):
  """`(t, y, truth)`: d pairs of Gaussians of correlation rho, both `[n, d]`.

  I = -d/2 log(1 - rho^2).
  """
  generator = np.random.default_rng([seed, n, d])
  t = generator.standard_normal((n, d))
  y = rho * t + np.sqrt(1 - rho**2) * generator.standard_normal((n, d))
  truth = -d / 2 * np.log(1 - rho**2)
  return t.astype(np.float32), y.astype(np.float32), truth
