"""Shows the state of a sweep on the terminal, read from the runs' folders."""

from collections.abc import Sequence
import time

from rich import console
from rich import live
from rich import markup
from rich import table

from launch import runs as launched

SHOWN = 8  # largest number of running runs whose names are shown


class Watch:
  """A picture of the sweep that is redrawn while the sweep runs.

  Args:
    runs: the runs.
    quiet: whether to draw nothing.
  """

  def __init__(self, runs: Sequence[launched.Run], quiet: bool = False):
    self._runs = runs
    self._started = time.monotonic()
    self._before = sum(s == "done" for s in launched.states(runs).values())
    self._told: set[str] = set()
    self._drawn = 0.0
    self._live = None
    if not quiet:
      out = console.Console()
      self._live = live.Live(console=out, refresh_per_second=2, transient=True)

  def __enter__(self):
    if self._live:
      self._live.start()
    return self

  def __exit__(self, *exception):
    self()
    if self._live:
      self._live.stop()

  def __call__(self) -> None:
    """Redraws the picture, at most twice a second."""
    now = time.monotonic()
    if now - self._drawn < 0.5:
      return
    self._drawn = now
    states = launched.states(self._runs)
    self._tell(states)
    if self._live:
      self._live.update(picture(self._runs, states, self._left(states)))

  def _tell(self, states):
    """Prints newly failed runs with their last lines above the picture."""
    for run in self._runs:
      if states[run.name] in ("failed", "diverged"):
        if run.name not in self._told and self._live:
          self._live.console.print(trouble(run, states[run.name]))
        self._told.add(run.name)

  def _left(self, states):
    done = sum(s == "done" for s in states.values()) - self._before
    ahead = sum(s in ("waiting", "running") for s in states.values())
    if done < 1 or not ahead:
      return None
    return (time.monotonic() - self._started) / done * ahead


def trouble(run: launched.Run, state: str) -> str:
  """The text about a failed run, with its last lines."""
  lines = "\n  ".join(launched.last_lines(run))
  return markup.escape(f"{run.name} ({run.title}) {state}:\n  {lines}")


def picture(
  runs: Sequence[launched.Run],
  states: dict[str, str],
  seconds: float | None = None,
) -> table.Table:
  """A table of the counts of states, the time left and the running runs.

  Args:
    runs: the runs.
    states: state of each run by name.
    seconds: estimated time left; None if unknown.
  """
  shown = table.Table(box=None, show_header=False, pad_edge=False)
  counts = {s: sum(v == s for v in states.values()) for s in launched.STATES}
  summary = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
  if seconds is not None:
    summary += f"; about {_time(seconds)} left"
  shown.add_row(f"{len(runs)} runs: {summary}")
  at_work = [run for run in runs if states[run.name] == "running"]
  for run in at_work[:SHOWN]:
    shown.add_row(markup.escape(f"  {run.name}  {run.title}"))
  return shown


def _time(seconds):
  minutes = round(seconds / 60)
  if minutes < 1:
    return "a minute"
  hours, minutes = divmod(minutes, 60)
  return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
