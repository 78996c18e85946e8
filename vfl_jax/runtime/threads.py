"""Calls of one program on the cores of a CPU, side by side."""

from collections.abc import Callable, Sequence
from concurrent import futures
import os
from typing import Any

import jax


def concurrently(
  program: Any,
  arguments: Callable[[Any], tuple],
  items: Sequence[Any],
  most: int,
) -> list[Any]:
  """What a jitted program gives for each item, some at a time on CPU.

  What is called from one thread XLA's CPU backend runs in turn, and a small
  program leaves all cores but one idle.

  Args:
    program: of `jax.jit`.
    arguments: for an item, those of the program: of one shape, type and device
      for all.
    items: what there is to do.
    most: at a time; never more than there are cores.
  """

  def call(item):  # waited for, or the arguments of all would be held
    return jax.block_until_ready(program(*arguments(item)))

  workers = min(most, len(items), cores())
  settings: Any = jax.config
  if jax.default_backend() != "cpu" or settings.jax_debug_nans:
    workers = 1
  if workers < 2:
    return [call(item) for item in items]
  # compiled here, once, and under what `with` has set for this thread
  program = program.lower(*arguments(items[0])).compile()
  with futures.ThreadPoolExecutor(workers) as threads:
    return list(threads.map(call, items))


def cores() -> int:
  """Cores that this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
