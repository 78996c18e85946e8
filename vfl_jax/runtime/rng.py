"""Named random streams from one root key; never a mutable generator.

A stream is a pure function of (root, name, indices): a resumed run, or a
function that is called twice, draws the same numbers.

Compiled programs draw with these functions. `jax.random` has the same
generator, but on a CPU it compiles the rounds as loops over arrays, which takes
a second for each draw in a program, and it uses half of the computed bits.
`fold_in`, `bits`, `split` and `permutation` give the same numbers as
`jax.random`.
"""

import functools
import math
import zlib

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
from scipy import special

_IMPL = "threefry2x32"  # regardless of the user's default
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def root(seed: int) -> jax.Array:
  """The root key of one seed."""
  return jax.random.key(seed, impl=_IMPL)


def from_data(words: jax.Array) -> jax.Array:
  """The key that consists of raw words, as from `jax.random.key_data`."""
  return jax.random.wrap_key_data(words, impl=_IMPL)


def stream(key: jax.Array, name: str, *indices) -> jax.Array:
  """The key of a named stream, e.g. `stream(key, "shuffle", epoch)`.

  Args:
    key: random key.
    name: name of the stream.
    *indices: integers that select a part of the stream.

  >>> a = stream(root(0), "shuffle", 1)
  >>> bool(a == stream(root(0), "shuffle", 1))
  True
  >>> bool(a == stream(root(0), "init", 1))
  False
  """
  key = fold_in(key, zlib.crc32(name.encode()))
  for index in indices:
    key = fold_in(key, index)
  return key


def fold_in(key: jax.Array, number: int | jax.Array) -> jax.Array:
  """Like `jax.random.fold_in`."""
  # JAX would take a Python integer as a 32-bit signed one
  host = not isinstance(number, jax.Array)
  return _folded(key, np.uint32(number) if host else number)


@jax.jit
def _folded(key, number):
  number = number.astype(jnp.uint32)
  pair = _threefry(key, jnp.zeros_like(number), number)
  return from_data(jnp.stack(pair))


def generator(key: jax.Array) -> np.random.Generator:
  """A numpy generator seeded by a key, for work on the host.

  Drawing parameters on the host needs no compilation, while one threefry
  program per tensor takes seconds to compile.
  """
  words = np.asarray(jax.random.key_data(key), np.uint32)
  return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Like `jax.random.bits`: uint32 of a shape."""
  first, second = words(key, shape)
  return first ^ second


def split(key: jax.Array, count: int = 2) -> jax.Array:
  """Like `jax.random.split`: keys, `[count]`."""
  return from_data(jnp.stack(words(key, (count,)), -1))


def permutation(key: jax.Array, count: int) -> jax.Array:
  """Like `jax.random.permutation`: the numbers below `count`, permuted."""
  order = jnp.arange(count)
  # sorted in several rounds, so that ties of equal words do not matter
  for _ in range(math.ceil(3 * math.log(max(1, count)) / math.log(2**32 - 1))):
    key, round_key = split(key)
    order = lax.sort_key_val(bits(round_key, (count,)), order)[1]
  return order


def orders(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Permutations along the last axis, which must be short."""
  return jnp.argsort(bits(key, shape), axis=-1)


def uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Uniform draws from [0, 1), float32, multiples of 2^-24."""
  return (bits(key, shape) >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)


def integers(
  key: jax.Array, shape: tuple[int, ...], below: int | jax.Array
) -> jax.Array:
  """Uniform integers from 0 to `below` - 1, int32.

  The probability of each deviates by at most a share of `below` 2^-32.
  """
  below = jnp.asarray(below).astype(jnp.uint32)
  return (bits(key, shape) % below).astype(jnp.int32)


def beta(key: jax.Array, alpha: float, shape: tuple[int, ...]) -> jax.Array:
  """Draws from Beta(alpha, alpha), float32, rounded to 4,096 quantiles.

  `jax.random.beta` would run two rejection loops.
  """
  return jnp.asarray(_quantiles(alpha))[bits(key, shape) >> 20]


@functools.lru_cache
def _quantiles(alpha):
  middles = (np.arange(4096) + 0.5) / 4096
  return np.float32(special.betaincinv(alpha, alpha, middles))


def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Standard normal draws, float32, in one pass over memory.

  A key gives the same numbers alone and under vmap. The numbers differ from
  those of `jax.random.normal`.

  Source: Box and Muller 1958, without the sine of each pair.
  """
  first, second = words(key, shape)
  turn = lax.bitcast_convert_type(second, jnp.int32).astype(jnp.float32)
  # the cosine of a turn t is the sine of a quarter turn minus |t|; the series
  # of that sine is exact to 6e-8
  x = 0.25 - jnp.abs(turn * 2.0**-32)
  square, series = x * x, jnp.zeros_like(x)
  for k in (11, 9, 7, 5, 3, 1):
    term = (-1) ** (k // 2) * (2 * math.pi) ** k / math.factorial(k)
    series = series * square + term
  return jnp.sqrt(-2.0 * jnp.log(_open(first))) * (series * x)


def laplace(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Standard Laplace draws, float32, from the same words as `normal`."""
  first, second = words(key, shape)
  size = -jnp.log(_open(first))
  return jnp.where(second >> 31, size, -size)


def words(
  key: jax.Array, shape: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
  """Two independent uint32 per entry: Threefry-2x32 of a counter.

  There are twenty rounds, as in `jax.random`, whose bits are the exclusive or
  of the two.

  Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
  """
  count = math.prod(shape)
  second = lax.iota(jnp.uint32, count)
  pair = _threefry(key, jnp.zeros_like(second), second)
  return pair[0].reshape(shape), pair[1].reshape(shape)


@functools.partial(jax.jit, inline=True)
def _threefry(key, first, second):
  # the rounds are traced once and inlined into each program; the program is the
  # same, and tracing a draw in it takes a third of the time
  data = jax.random.key_data(key)
  if data.shape != (2,):
    raise ValueError(
      f"a key must be a single {_IMPL} key of two words, and this one has the "
      f"shape {data.shape}; take rng.root(seed)."
    )
  a, b = data
  keys = (a, b, a ^ b ^ jnp.uint32(0x1BD11BDA))
  first, second = first + keys[0], second + keys[1]
  for i in range(5):
    for r in _ROTATIONS[i % 2]:
      first = first + second
      turned = (second << jnp.uint32(r)) | (second >> jnp.uint32(32 - r))
      second = first ^ turned
    first = first + keys[(i + 1) % 3]
    second = second + (keys[(i + 2) % 3] + jnp.uint32(i + 1))
  return first, second


def _open(word: jax.Array) -> jax.Array:
  """Maps a uint32 to a number above 0 and at most 1."""
  return (word.astype(jnp.float32) + 0.5) * 2.0**-32
