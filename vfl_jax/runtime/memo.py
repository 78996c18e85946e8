"""Caches results in memory, by the content of their inputs.

The controls of a study are the same for all defences at one cut, so a process
computes each once. And what is built alike is one object: its functions are
then traced and compiled once for all experiments of a process.
"""

import collections
from collections.abc import Callable
import functools
import hashlib
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

_BYTES = 256 * 2**20  # largest size of the remembered results of a function

_OBJECTS = 32  # of each builder that are kept
_FORGET: list[Callable[[], None]] = []  # one for each builder

Arguments = ParamSpec("Arguments")
Built = TypeVar("Built")


def shared(builder: Callable[Arguments, Built]) -> Callable[Arguments, Built]:
  """Makes a pure builder return the same object for equal arguments.

  Arguments that cannot be hashed get an object of their own.

  >>> pair = shared(lambda *a: [*a])
  >>> pair(1, 2) is pair(1, 2), pair([]) is pair([])
  (True, False)
  """
  cached = functools.lru_cache(maxsize=_OBJECTS, typed=True)(builder)
  _FORGET.append(cached.cache_clear)

  @functools.wraps(builder)
  def build(*args: Arguments.args, **keywords: Arguments.kwargs) -> Built:
    try:
      hash((args, tuple(keywords.values())))
    except TypeError:
      return builder(*args, **keywords)
    found: Any = cached(*args, **keywords)
    return found

  return build


def forget() -> None:
  """Drops the objects that builders share, with their compiled programs."""
  for clear in _FORGET:
    clear()


def remembered(function: Callable) -> Callable:
  """Makes a pure function remember its latest results.

  Arguments are pytrees of arrays and hashable values. Arguments with equal
  contents give the remembered result.

  >>> calls = []
  >>> double = remembered(lambda x: calls.append(0) or 2 * x)
  >>> double(np.ones(2)), double(np.ones(2)), len(calls)
  (array([2., 2.]), array([2., 2.]), 1)
  """
  results: collections.OrderedDict[Any, Any] = collections.OrderedDict()

  @functools.wraps(function)
  def memoised(*args):
    key = _content(args)
    if key in results:
      results.move_to_end(key)
      return results[key]
    results[key] = result = function(*args)
    while sum(map(_bytes, results.values())) > _BYTES:
      results.popitem(last=False)
    return result

  return memoised


def _bytes(tree) -> int:
  return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(tree))


def _content(args) -> tuple:
  """A key for arguments: arrays by a digest, everything else as it is."""
  leaves, structure = jax.tree.flatten(args)
  items = []
  for leaf in leaves:
    if jnp.issubdtype(getattr(leaf, "dtype", bool), jax.dtypes.prng_key):
      leaf = jax.random.key_data(leaf)
    if isinstance(leaf, (jax.Array, np.ndarray)):
      array = np.ascontiguousarray(leaf)
      if array.dtype.hasobject:
        content: Any = tuple(array.ravel().tolist())
      else:
        content = hashlib.sha256(array.view(np.uint8)).digest()
      leaf = (str(array.dtype), np.shape(leaf), content)
    items.append(leaf)
  return structure, tuple(items)
