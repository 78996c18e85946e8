"""What a run says on the terminal: progress while it works, a table after."""

import pathlib
from typing import Any

from rich import box
from rich import console
from rich import progress
from rich import table
from rich import text

from vfl_jax import tables

_OUT = console.Console(highlight=False)


class Progress:
  """A progress bar per phase, driven by the run; only on a terminal.

  Args:
    board: told of every epoch, a `board.Board`.
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
      console=_OUT,
      disable=not _OUT.is_terminal,
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
    """Start a new bar; the one before is closed."""
    self._close()
    self._task = self._bars.add_task(name, total=total, completed=done, what="")

  def advance(self, what: str = "", by: int = 1) -> None:
    """Move the present bar on, with a few words on what is being done."""
    if self._task is not None:
      self._bars.update(self._task, advance=by, what=what)

  def epoch(self, line: dict[str, Any]) -> None:
    """An epoch of the training is done, with these metrics by seed."""
    if self._board is not None:
      self._board.epoch(line)
    loss, validation = (
      sum(line[k]) / len(line[k]) for k in ("loss", "validation")
    )
    self.advance(f"loss {loss:.3f}, validation {validation:.3f}")

  def say(self, line: str) -> None:
    """One line above the bars."""
    say(line)

  def _close(self):
    if self._task is not None:
      total = self._bars.tasks[self._bars.task_ids.index(self._task)].total
      self._bars.update(self._task, completed=total, what="")

  def finish(self) -> None:
    """Close the last bar."""
    self._close()


class Silent:
  """The same interface, saying nothing: for tests and notebooks."""

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


def say(line: str) -> None:
  """One line."""
  _OUT.print(line, soft_wrap=True, markup=False)


def summary(workdir: str | pathlib.Path) -> None:
  """The main numbers of a finished run, and where its report is."""
  workdir = pathlib.Path(workdir)
  if tables.exists(workdir, "calibration_summary"):
    _calibration(tables.read(workdir, "calibration_summary"))
  elif tables.exists(workdir, "findings"):
    _study(tables.read(workdir, "findings"), tables.read(workdir, "failed"))
  else:
    _experiment(workdir)
  say(f"report: {workdir / 'report.html'}")


def _calibration(frame):
  """Errors of the estimators over all problems."""
  out = table.Table(
    box=box.SIMPLE_HEAD,
    title_justify="left",
    title="Mean absolute error against the truth, over all problems",
  )
  out.add_column("estimator")
  for column in ("of H(Y)", "nats", "bias", "spread", "seconds"):
    out.add_column(column, justify="right")
  for _, r in frame[frame["n"] == "all"].iterrows():
    out.add_row(
      r["estimator"],
      f"{r['share']:.3f}",
      f"{r['mae']:.3f}",
      f"{r['bias']:+.3f}",
      f"{r['spread']:.3f}",
      f"{r['seconds']:.1f}",
    )
  _OUT.print(out)


def _study(found, failed):
  """What the numbers say."""
  for _, r in found.iterrows():
    say(f"{r['text']} ({r['detail']}).\n")
  if len(failed):
    say(f"{len(failed)} experiments failed; tables/failed.csv says why.")


def _experiment(workdir):
  """The main task, and what leaks."""
  main = tables.read(workdir, "main")
  out = table.Table(
    box=box.SIMPLE_HEAD, title="Main task", title_justify="left"
  )
  for column in ("rows", "metric", "mean over seeds", "95 % interval"):
    out.add_column(column)
  for _, r in main.iterrows():
    out.add_row(
      str(r["rows"]),
      str(r["metric"]),
      f"{r['mean']:.3f}",
      text.Text(_interval(r["low"], r["high"])),
    )
  _OUT.print(out)
  leakage = tables.read(workdir, "leakage")
  if len(leakage):
    out = table.Table(
      box=box.SIMPLE_HEAD,
      title_justify="left",
      title="Leakage: attack score minus its strongest control, 95 % interval",
    )
    for column in (
      "attack",
      "rows",
      "score",
      "control",
      "ceiling",
      "advantage",
    ):
      out.add_column(column)
    for _, r in leakage[leakage["primary"]].iterrows():
      out.add_row(
        f"{r['attack'].replace('_', ' ')}\nby party {r['party']}",
        str(r["rows"]),
        f"{r['attack_score']:.3f}\n{r['metric'].replace('_', ' ')}",
        f"{r['control_score']:.3f}\n{r['control']}",
        f"{r['ceiling_score']:.3f}" if r["ceiling_score"] >= 0 else "",
        text.Text(f"{r['advantage']:+.3f}\n{_interval(r['low'], r['high'])}"),
      )
    _OUT.print(out)


def dry_run(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
  """Stages, shapes, parameters, FLOPs and bytes on the wire."""
  out = table.Table(box=box.SIMPLE_HEAD)
  out.add_column("holder")
  out.add_column("stage")
  out.add_column("output of a sample")
  for column in (
    "parameters",
    "FLOPs/sample",
    "activations/batch",
    "up/sample",
    "down/sample",
  ):
    out.add_column(column, justify="right")
  for r in rows:
    wire = r["stage"] == "wire"
    out.add_row(
      r["holder"],
      r["stage"],
      r["output"],
      "" if wire else f"{r['parameters']:,}",
      "" if wire else f"{r['flops']:,}",
      "" if wire else size(r["activation_bytes"]),
      size(r["up_bytes"]) if wire else "",
      size(r["down_bytes"]) if wire else "",
      style="dim" if wire else "",
    )
  _OUT.print(out)
  for name, value in facts.items():
    say(f"{name}: {value}")


def size(count: float) -> str:
  """Bytes in words.

  >>> size(2048)
  '2.0 KiB'
  """
  for unit in ("B", "KiB", "MiB", "GiB"):
    if count < 1024 or unit == "GiB":
      return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
    count /= 1024
  return ""


def _interval(low: float, high: float) -> str:
  return "one seed" if low != low else f"[{low:.3f}, {high:.3f}]"
