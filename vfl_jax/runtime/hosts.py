"""Processes on several hosts that train one federation together.

All of them run the same command. They meet before anything asks for a device,
train in one program, and part after it: the first measures, attacks and writes,
the others are done. Nothing but the first writes into the workdir.
"""

import os
from typing import Any

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

PyTree = Any
_PARTING = 60  # seconds that one waits for the others at the end


def join(count: int) -> None:
  """Meet the other processes, if there are any; once a process.

  SLURM, Open MPI, Kubernetes and Cloud TPU say who is who; elsewhere
  JAX_COORDINATOR_ADDRESS (host:port of the first), JAX_NUM_PROCESSES and
  JAX_PROCESS_ID do.

  Args:
    count: processes that train together; 1 for this one alone.

  Raises:
    ValueError: nothing says who the others are, or they are not that many.
  """
  if count == 1 or jax.distributed.is_initialized():
    return
  # it would catch what ends a process, and wait for an answer
  jax.config.update("jax_enable_preemption_service", False)
  settings = [
    os.environ.get(f"JAX_{n}") for n in ("NUM_PROCESSES", "PROCESS_ID")
  ]
  try:
    jax.distributed.initialize(
      num_processes=int(settings[0]) if settings[0] else None,
      process_id=int(settings[1]) if settings[1] else None,
      shutdown_timeout_seconds=_PARTING,
    )
  except (ValueError, RuntimeError) as error:
    raise ValueError(
      f"mesh.hosts is {count} and the others were not met "
      f"({str(error).splitlines()[0]}); start the same command on every host, "
      "with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID set "
      "where no SLURM, MPI or TPU pod sets them."
    ) from error
  if jax.process_count() != count:
    raise ValueError(
      f"mesh.hosts is {count}, and {jax.process_count()} processes met."
    )


def leads() -> bool:
  """Whether this process is the one that writes."""
  return not jax.distributed.is_initialized() or jax.process_index() == 0


def part() -> None:
  """Wait for the others at the end of what is done together."""
  if jax.distributed.is_initialized():
    jax.distributed.shutdown()


def agreed(tree: PyTree) -> PyTree:
  """What the first process holds, in all of them, as numpy arrays."""
  if not jax.distributed.is_initialized():
    return tree
  return multihost_utils.broadcast_one_to_all(tree)


def gathered(array: Any) -> np.ndarray:
  """An array whole, wherever its parts are; asked by all processes at once."""
  if isinstance(array, jax.Array) and not array.is_fully_addressable:
    return multihost_utils.process_allgather(array, tiled=True)
  return np.asarray(array)


def placed(array: Any, sharding: jax.sharding.Sharding) -> jax.Array:
  """An array that all processes hold, each device its share of it."""
  if sharding.is_fully_addressable:
    return jax.device_put(array, sharding)
  if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
    words = placed(jax.random.key_data(array), sharding)
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(array))
  whole = gathered(array)
  return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)
