"""Runs a sweep on a Ray cluster, one task per run.

A task is tried again if its worker dies.
"""

from collections.abc import Callable, Sequence
from typing import Any

from launch import runs as launched

_RETRIES = 3


def submit(
  runs: Sequence[launched.Run],
  workers: int,
  options: dict[str, str],
  watch: Callable[[], Any],
) -> None:
  """Carries out all runs; returns when the last has ended.

  Args:
    runs: the remaining runs.
    workers: number of tasks at a time; 0 is as many as the cluster has room
      for.
    options: `address` of the cluster (default: the one RAY_ADDRESS names, or a
      new one here), and the resources of each run, `num_cpus`, `num_gpus` etc.
    watch: function called twice a second.

  Raises:
    ValueError: ray is missing, or a resource is not a number.
  """
  try:
    import ray
  except ImportError as error:
    raise ValueError(
      "the ray backend needs ray: pip install -e '.[ray]'."
    ) from error
  options = dict(options)
  address = options.pop("address", None)
  resources = {key: _number(key, value) for key, value in options.items()}
  owner = not ray.is_initialized()
  if owner:
    ray.init(address=address, log_to_driver=False)
  work = ray.remote(max_retries=_RETRIES, retry_exceptions=False)(_work)
  waiting, running = [_plain(r) for r in runs], []
  try:
    while waiting or running:
      while waiting and (not workers or len(running) < workers):
        task = work.options(**resources) if resources else work
        running.append(task.remote(waiting.pop(0)))
      _, running = ray.wait(running, num_returns=len(running), timeout=0.5)
      watch()
  finally:
    if owner:
      ray.shutdown()


def _work(plain):
  from launch import task

  try:
    return task.Task()(plain)
  except RuntimeError as error:  # the run failed, not the worker
    return str(error)


def _plain(run):
  return [run.name, str(run.folder), str(run.spec), str(run.log)]


def _number(key, text):
  try:
    return float(text)
  except ValueError:
    raise ValueError(
      f"option {key}={text!r} of the ray backend is not a number; give one."
    ) from None
