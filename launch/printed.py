"""One command a line: for xargs, a queue of one's own, another machine."""

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
  """Print what is left to do.

  Raises:
    ValueError: an option.
  """
  del workers, watch
  if options:
    raise ValueError(f"the print backend takes no options, not {options}.")
  for run in runs:
    print(shlex.join(run.command))
