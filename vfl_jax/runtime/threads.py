"""Which threads compute: calls side by side, or one thread alone."""

from collections.abc import Callable, Sequence
from concurrent import futures
import contextlib
import functools
import os
from typing import Any

import jax
import threadpoolctl


def concurrently(
  program: Any,
  arguments: Callable[[Any], tuple],
  items: Sequence[Any],
  most: int,
) -> list[Any]:
  """Calls a jitted program for each item, several at a time on a CPU.

  XLA's CPU backend runs the calls of one thread one by one, and a small program
  leaves all cores but one idle.

  Args:
    program: function from `jax.jit`.
    arguments: function from an item to the program's arguments, which must have
      the same shapes, dtypes and device for all items.
    items: the items.
    most: largest number of calls at a time; the number of cores limits it too.

  Returns:
    The results, one per item.
  """

  def call(item):  # waits, so that only these arguments are in memory
    return jax.block_until_ready(program(*arguments(item)))

  workers = min(most, len(items), cores())
  settings: Any = jax.config
  if jax.default_backend() != "cpu" or settings.jax_debug_nans:
    workers = 1
  if workers < 2:
    return [call(item) for item in items]
  # compiled once, here, where the `with` settings of this thread apply
  program = program.lower(*arguments(items[0])).compile()
  with futures.ThreadPoolExecutor(workers) as threads:
    return list(threads.map(call, items))


def alone() -> contextlib.AbstractContextManager:
  """Limits numpy's and scikit-learn's linear algebra to one thread.

  For fits of small matrices, where threads wait for each other: on a busy
  machine of two cores, self-training on 5,000 rows of 50 columns took 13 s by
  two threads and .1 s by one.
  """
  return _linear_algebra().limit(limits=1)


@functools.cache
def _linear_algebra():
  import scipy.linalg  # noqa: F401  brings a library of its own

  return threadpoolctl.ThreadpoolController()


def cores() -> int:
  """Number of cores that this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
