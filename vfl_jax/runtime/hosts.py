"""Processes on several hosts that train one federation together.

All of them run the same command. They connect before anything uses a device,
train in one program, and disconnect after it. Then the first process measures,
attacks and writes, and the others end. Only the first writes into the workdir.
"""

import os
from typing import Any

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

PyTree = Any
_PARTING = 60  # seconds that a process waits for the others at the end


def join(count: int) -> None:
  """Connects to the other processes, if there are any; at most once.

  SLURM, Open MPI, Kubernetes and Cloud TPU number the processes; elsewhere
  JAX_COORDINATOR_ADDRESS (host:port of the first), JAX_NUM_PROCESSES and
  JAX_PROCESS_ID do.

  Args:
    count: number of processes that train together; 1 for this one alone.

  Raises:
    ValueError: the other processes cannot be reached, or their number differs.
  """
  if count == 1 or jax.distributed.is_initialized():
    return
  # the service would catch the signals that end a process, and wait
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
      f"mesh.hosts is {count} and the others were not reached "
      f"({str(error).splitlines()[0]}); start the same command on every host, "
      "with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID set "
      "where no SLURM, MPI or TPU pod sets them."
    ) from error
  if jax.process_count() != count:
    raise ValueError(
      f"mesh.hosts is {count}, but {jax.process_count()} processes connected; "
      "start the same command once on each host."
    )


def leads() -> bool:
  """Whether this process is the first one, which writes."""
  return not jax.distributed.is_initialized() or jax.process_index() == 0


def part() -> None:
  """Waits for the other processes, and disconnects."""
  if jax.distributed.is_initialized():
    jax.distributed.shutdown()


def agreed(tree: PyTree) -> PyTree:
  """The first process's tree in all processes, as numpy arrays."""
  if not jax.distributed.is_initialized():
    return tree
  return multihost_utils.broadcast_one_to_all(tree)


def gathered(array: Any) -> np.ndarray:
  """A whole array from its shards; all processes must call it together."""
  if isinstance(array, jax.Array) and not array.is_fully_addressable:
    return multihost_utils.process_allgather(array, tiled=True)
  return np.asarray(array)


def placed(array: Any, sharding: jax.sharding.Sharding) -> jax.Array:
  """Places an array that all processes hold on the devices of a sharding."""
  if sharding.is_fully_addressable:
    return jax.device_put(array, sharding)
  if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
    words = placed(jax.random.key_data(array), sharding)
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(array))
  whole = gathered(array)
  return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)
