"""Prints one command per line, e.g. for xargs or another machine's queue."""

from collections.abc import Callable, Sequence
import shlex
from typing import Any

from launch import runs as launched


def submit(
  runs: Sequence[launched.Run],
  workers: int,
  options: dict[str, str],
  watch: Callable[[], Any],
) -> None:
  """Prints the commands of the remaining runs.

  Args:
    runs: the remaining runs.
    workers: not used.
    options: must be empty.
    watch: not used.

  Raises:
    ValueError: an option is given.
  """
  del workers, watch
  if options:
    raise ValueError(
      f"the print backend takes no options, but got {options}; remove --option."
    )
  for run in runs:
    print(shlex.join(run.command))
