"""Progress of a run on the terminal."""

from typing import Any

from rich import progress

from vfl_jax.results import terminal


class Progress:
  """A progress bar per phase, moved by the run; shown only on a terminal.

  Args:
    board: a `tensorboard.Board` that receives the metrics of every epoch.
  """

  def __init__(self, board: Any = None):
    self._board = board
    self._bars = progress.Progress(
      progress.TextColumn("[bold]{task.description:<12}"),
      progress.BarColumn(bar_width=32),
      progress.MofNCompleteColumn(),
      progress.TimeElapsedColumn(),
      progress.TextColumn("left", style="dim"),
      progress.TimeRemainingColumn(),
      progress.TextColumn("{task.fields[what]}"),
      console=terminal.OUT,
      disable=not terminal.OUT.is_terminal,
    )
    self._task: progress.TaskID | None = None

  def __enter__(self):
    self._bars.start()
    return self

  def __exit__(self, *exception):
    if not self._bars.disable:  # rich before 15 would print an empty line
      self._bars.stop()
    if self._board is not None:
      self._board.close()

  def phase(self, name: str, total: int, done: int = 0) -> None:
    """Close the current bar and start a new one.

    Args:
      name: name of the phase.
      total: number of steps of the phase.
      done: number of steps that are already done.
    """
    self._close()
    self._task = self._bars.add_task(name, total=total, completed=done, what="")

  def advance(self, what: str = "", by: int = 1) -> None:
    """Advance the current bar.

    Args:
      what: a few words on what is being done.
      by: number of steps.
    """
    if self._task is not None:
      self._bars.update(self._task, advance=by, what=what)

  def epoch(self, line: dict[str, Any]) -> None:
    """Advance by a finished epoch of the training.

    Args:
      line: metrics by seed, with "loss" and "validation" among them.
    """
    if self._board is not None:
      self._board.epoch(line)
    loss, validation = (
      sum(line[k]) / len(line[k]) for k in ("loss", "validation")
    )
    self.advance(f"loss {loss:.3f}, validation {validation:.3f}")

  def say(self, line: str) -> None:
    """Print one line above the bars."""
    terminal.say(line)

  def _close(self):
    if self._task is not None:
      total = self._bars.tasks[self._bars.task_ids.index(self._task)].total
      self._bars.update(self._task, completed=total, what="")

  def finish(self) -> None:
    """Close the last bar."""
    self._close()


class Silent:
  """The same interface without output, for tests and notebooks."""

  __enter__ = lambda self: self

  def __exit__(self, *exception):
    pass

  def phase(self, name, total, done=0):
    pass

  def advance(self, what="", by=1):
    pass

  def epoch(self, line):
    pass

  def finish(self):
    pass

  def say(self, line):
    pass
