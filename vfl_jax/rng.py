"""Named random streams from one root key; never a mutable generator.

A stream is a pure function of (root, name, indices): a run that is resumed, or
a piece that is called twice, draws the same numbers.

`normal` and `laplace` are for noise of every step: `jax.random` draws with the
same generator, but compiles its rounds as a loop over arrays on CPU, and uses
half of what it computes.
"""

import math
import zlib

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


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


def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Standard normal draws, float32, in one pass over memory.

  The same for a key alone as for it among vmapped ones; other numbers than
  those of `jax.random.normal`.

  Source: Box and Muller 1958, of which the sine is left out.
  """
  first, second = words(key, shape)
  turn = lax.bitcast_convert_type(second, jnp.int32).astype(jnp.float32)
  # the cosine of a full circle is the sine of what is left of a quarter, whose
  # series ends at 6e-8
  x = 0.25 - jnp.abs(turn * 2.0**-32)
  square, series = x * x, jnp.zeros_like(x)
  for k in (11, 9, 7, 5, 3, 1):
    term = (-1) ** (k // 2) * (2 * math.pi) ** k / math.factorial(k)
    series = series * square + term
  return jnp.sqrt(-2.0 * jnp.log(_open(first))) * (series * x)


def laplace(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Standard Laplace draws, float32, as `normal` draws its own."""
  first, second = words(key, shape)
  size = -jnp.log(_open(first))
  return jnp.where(second >> 31, size, -size)


def words(
  key: jax.Array, shape: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
  """Two independent uint32 for each place: Threefry-2x32 of a counter.

  Twenty rounds, as in `jax.random`, whose bits are their exclusive or.

  Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
  """
  a, b = jax.random.key_data(key)
  keys = (a, b, a ^ b ^ jnp.uint32(0x1BD11BDA))
  count = math.prod(shape)
  first = jnp.broadcast_to(keys[0], (count,))
  second = lax.iota(jnp.uint32, count) + keys[1]
  for i in range(5):
    for r in _ROTATIONS[i % 2]:
      first = first + second
      turned = (second << jnp.uint32(r)) | (second >> jnp.uint32(32 - r))
      second = first ^ turned
    first = first + keys[(i + 1) % 3]
    second = second + (keys[(i + 2) % 3] + jnp.uint32(i + 1))
  return first.reshape(shape), second.reshape(shape)


def _open(word: jax.Array) -> jax.Array:
  """A uint32 as a number above 0 and at most 1."""
  return (word.astype(jnp.float32) + 0.5) * 2.0**-32
