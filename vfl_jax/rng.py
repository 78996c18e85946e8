"""Named random streams from one root key; never a mutable generator.

A stream is a pure function of (root, name, indices): a run that is resumed, or
a piece that is called twice, draws the same numbers.
"""

import zlib

import jax
import numpy as np


def root(seed: int) -> jax.Array:
  """The root key of one seed."""
  return jax.random.key(seed)


def stream(key: jax.Array, name: str, *indices) -> jax.Array:
  """The key of a named stream, e.g. `stream(key, "shuffle", epoch)`.

  >>> a = stream(root(0), "shuffle", 1)
  >>> bool(a == stream(root(0), "shuffle", 1))
  True
  >>> bool(a == stream(root(0), "init", 1))
  False
  """
  key = jax.random.fold_in(key, zlib.crc32(name.encode()))
  for index in indices:
    key = jax.random.fold_in(key, index)
  return key


def generator(key: jax.Array) -> np.random.Generator:
  """A numpy generator that is a pure function of the key, for host-side work.

  Drawing parameters on the host costs nothing to compile, where one threefry
  program per tensor costs seconds.
  """
  words = np.asarray(jax.random.key_data(key), np.uint32)
  return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
