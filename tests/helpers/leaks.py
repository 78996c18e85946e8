"""Leaks to plant into gradients and embeddings, at any strength.

A leak of strength s is in a share s of the rows; the others are noise. Who
reads it completely is right in s + (1 - s) / classes of the rows, and ranks two
classes with an AUC of 1 - (1 - s)^2 / 2.
"""

import numpy as np

N, WIDTH, PER_CLASS = 1000, 16, 10


def planted(labels, kind, strength, seed=0):
  """Gradients or embeddings, `[rows, WIDTH]`."""
  generator = np.random.default_rng(seed)
  noise = generator.standard_normal((len(labels), WIDTH))
  told = kind(generator, labels)
  leaks = generator.random(len(labels)) < strength
  leaks[:] |= strength == 1
  return np.where(leaks[:, None], told, noise)


def direction(generator, labels):
  """A direction for each class."""
  near = 0.3 * generator.standard_normal((len(labels), WIDTH))
  classes = int(labels.max()) + 1
  centres = np.linalg.qr(generator.standard_normal((WIDTH, WIDTH)))[0][:classes]
  return 4 * centres[labels] + near


def norm(generator, labels):
  """Larger gradients of the second class, smaller ones of the first."""
  noise = generator.standard_normal((len(labels), WIDTH))
  return noise * np.where(labels, 8.0, 0.125)[:, None]


def sign(generator, labels):
  """The signs of a class, of magnitudes of all sizes."""
  classes = int(labels.max()) + 1
  signs = np.sign(generator.standard_normal((classes, WIDTH)))
  sizes = np.exp(2 * generator.standard_normal((len(labels), WIDTH)))
  return signs[labels] * sizes


def quiet(generator, labels):
  """One column of a hundredth of the others' size."""
  told = generator.standard_normal((len(labels), WIDTH))
  told[:, 3] = 0.01 * (labels + 0.1 * generator.standard_normal(len(labels)))
  return told


def outliers(generator, labels):
  """A direction for each class, and fifty times the size in 2 % of the rows."""
  told = direction(generator, labels)
  told[generator.random(len(labels)) < 0.02] *= 50
  return told


def offset(generator, labels):
  """A direction for each class, far from zero."""
  return direction(generator, labels) + 100


def xor(generator, labels):
  """Two columns of which neither says anything by itself."""
  told = 0.3 * generator.standard_normal((len(labels), WIDTH))
  first = generator.integers(0, 2, len(labels))
  told[:, 0] += 4 * first - 2
  told[:, 1] += 4 * (first ^ labels) - 2
  return told


def rings(generator, labels):
  """Two rings about one centre."""
  told = 0.1 * generator.standard_normal((len(labels), WIDTH))
  angle = generator.uniform(0, 2 * np.pi, len(labels))
  told[:, 0] += np.where(labels, 4, 1) * np.cos(angle)
  told[:, 1] += np.where(labels, 4, 1) * np.sin(angle)
  return told


KINDS = {
  kind.__name__: kind
  for kind in (direction, norm, sign, quiet, outliers, offset, xor, rings)
}
