"""PPDL: send the elements that pass a noisy threshold, in a random order."""

import math

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Bool
from jaxtyping import Float
from jaxtyping import Integer

from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms
from vfl_jax.runtime import rng


def ppdl(
  *,
  epsilon: float = 1.8,
  clip: float = 1e-3,
  threshold: float = 1e-4,
  share: float = 0.75,
) -> base.Defense:
  """Sends elements that pass a noisy threshold, with noise; the rest are zero.

  Elements are visited in a random order. The size of each, bounded by `clip`
  and with noise, is compared with the threshold, whose noise is drawn again
  after each element that passes. The process ends when the given share has
  passed. With the published numbers the noise is a million times the bound, so
  what is sent are random signs.

  Args:
    epsilon: privacy budget; as published, eight ninths go to the choice and
      two ninths to the values, which is more than the whole.
    clip: bound on elements, and on what is sent.
    threshold: threshold that the size of an element has to pass.
    share: share of the elements of a batch that are sent.

  Raises:
    ValueError: `share` is outside (0, 1], `epsilon` or `clip` is not positive,
      or `threshold` is negative.

  Source: Shokri and Shmatikov 2015, algorithm 2, as in Fu et al. 2022. It
  claims a guarantee per element and step; none is claimed here.
  """
  bounds.share("ppdl", share)
  bounds.above("ppdl", "epsilon", epsilon)
  bounds.above("ppdl", "clip", clip)
  bounds.within("ppdl", "threshold", threshold, 0, math.inf)

  def chosen(key, g):
    order_key, gate_key, gates_key, size_key, value_key = rng.split(key, 5)
    flat = g.reshape(-1)
    count = max(1, round(share * flat.size))
    unit = 2.0 * count * 9 / (8 * epsilon)
    bounded = jnp.clip(flat, -clip, clip)
    passed = walked(
      shuffled(order_key, flat.size),
      jnp.abs(bounded) + 2 * unit * rng.laplace(size_key, flat.shape),
      threshold + unit * rng.laplace(gate_key, ()),
      threshold + unit * rng.laplace(gates_key, flat.shape),
      count,
    )
    noise = 2.0 * count * 9 / (2 * epsilon)
    noisy = flat + noise * rng.laplace(value_key, flat.shape)
    return jnp.where(passed, jnp.clip(noisy, -clip, clip), 0.0).reshape(g.shape)

  return base.Defense(
    gradient=transforms.random(chosen), adaptive=("hint", "direction")
  )


@jax.custom_batching.sequential_vmap  # batched look-ups are ten times slower
def walked(
  order: Integer[jax.Array, " m"],
  size: Float[jax.Array, " n"],
  gate: Float[jax.Array, ""],
  gates: Float[jax.Array, " n"],
  count: int | jax.Array,
) -> Bool[jax.Array, " n"]:
  """Which elements pass the current threshold (gate), one after another.

  Args:
    order: order in which the elements are visited; places from n on are
      skipped.
    size: size of each element, compared with the current gate.
    gate: the first gate.
    gates: the gate that follows once this element has passed.
    count: number of elements that may pass.
  """
  # The next gate is indexed by the element that passes, so it can be loaded
  # early: the next element waits only for a comparison and a choice. A gate
  # indexed by how many have passed would be loaded late.
  n = len(size)
  spot = {"axis": 0, "allow_negative_indices": False}

  def look(carry, place):
    gate, taken, passed = carry
    current = lax.dynamic_index_in_dim(size, place, keepdims=False, **spot)
    following = lax.dynamic_index_in_dim(gates, place, keepdims=False, **spot)
    passes = (current >= gate) & (place < n)
    passed = lax.dynamic_update_index_in_dim(
      passed, passes & (taken < count), place, **spot
    )
    return (jnp.where(passes, following, gate), taken + passes, passed), None

  start = gate, jnp.int32(0), jnp.zeros(len(order), bool)
  return lax.scan(look, start, order, unroll=4)[0][2][:n]


def shuffled(key: jax.Array, n: int) -> Integer[jax.Array, " m"]:
  """A pseudorandom order of the numbers below a power of two of at least n.

  It runs six rounds of a Feistel network on the bits of a counter. Sorting
  random numbers takes fifty times as long.
  """
  bits = max(2, (n - 1).bit_length())
  small, large = bits // 2, bits - bits // 2
  words = rng.bits(key, (6,))

  def mixed(half, word, width):
    x = (half ^ word) * jnp.uint32(0x9E3779B1)
    x = (x ^ (x >> 15)) * jnp.uint32(0x85EBCA77)
    return (x ^ (x >> 13)) & jnp.uint32(2**width - 1)

  counter = jnp.arange(2**bits, dtype=jnp.uint32)
  a, b = counter >> large, counter & (2**large - 1)  # small, large
  for i in range(6):
    if i % 2:
      a ^= mixed(b, words[i], small)
    else:
      b ^= mixed(a, words[i], large)
  return ((a << large) | b).astype(jnp.int32)
