"""How a sweep stands, on the terminal; read off the runs' folders."""

from collections.abc import Sequence
import time

from rich import console
from rich import live
from rich import markup
from rich import table

from launch import runs as launched

SHOWN = 8  # runs at work whose names are shown


class Watch:
  """A picture of the sweep that is drawn again while it goes on."""

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
    """Look again; at most twice a second."""
    now = time.monotonic()
    if now - self._drawn < 0.5:
      return
    self._drawn = now
    states = launched.states(self._runs)
    self._tell(states)
    if self._live:
      self._live.update(picture(self._runs, states, self._left(states)))

  def _tell(self, states):
    """What failed since, with its last lines, above the picture."""
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
  """A failed run and its last lines."""
  lines = "\n  ".join(launched.last_lines(run))
  return markup.escape(f"{run.name} ({run.title}) {state}:\n  {lines}")


def picture(
  runs: Sequence[launched.Run],
  states: dict[str, str],
  seconds: float | None = None,
) -> table.Table:
  """Counts, time left, and what is at work."""
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
