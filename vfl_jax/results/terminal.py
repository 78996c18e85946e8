"""Output of a run on the terminal: lines while it works, tables afterwards."""

import pathlib
from typing import Any

from rich import box
from rich import console
from rich import table
from rich import text

from vfl_jax.results import advantage
from vfl_jax.results import tables

OUT = console.Console(highlight=False)


def say(line: str) -> None:
  """Print one line."""
  OUT.print(line, soft_wrap=True, markup=False)


def summary(workdir: str | pathlib.Path) -> None:
  """Print the main numbers of a finished run and the path of its report."""
  workdir = pathlib.Path(workdir)
  if tables.exists(workdir, "calibration_summary"):
    _calibration(tables.read(workdir, "calibration_summary"))
  elif tables.exists(workdir, "findings"):
    _study(tables.read(workdir, "findings"), tables.read(workdir, "failed"))
  else:
    _experiment(workdir)
  say(f"report: {workdir / 'report.html'}")


def _calibration(frame):
  """Print the errors of the estimators over all problems."""
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
  OUT.print(out)


def _study(findings, failed):
  """Print the findings of a study and the number of failed experiments."""
  for _, r in findings.iterrows():
    say(f"{r['text']} ({r['detail']}).\n")
  if len(failed):
    say(f"{len(failed)} experiments failed; tables/failed.csv has the reasons.")


def _experiment(workdir):
  """Print the scores of the main task and the leakage of the attacks."""
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
  OUT.print(out)
  leakage = tables.read(workdir, "leakage")
  if len(leakage):
    out = table.Table(
      box=box.SIMPLE_HEAD,
      title_justify="left",
      title="Leakage: attack score minus its strongest control; 95 % intervals "
      "that hold for all rows at once",
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
    for r in advantage.at_once(leakage[leakage["primary"]]):
      out.add_row(
        f"{r['attack'].replace('_', ' ')}\nby party {r['party']}",
        str(r["rows"]),
        f"{r['attack_score']:.3f}\n{r['metric'].replace('_', ' ')}",
        f"{r['control_score']:.3f}\n{r['control']}",
        f"{r['ceiling_score']:.3f}" if r["ceiling_score"] >= 0 else "",
        text.Text(f"{r['advantage']:+.3f}\n{_interval(r['low'], r['high'])}"),
      )
    OUT.print(out)


def dry_run(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
  """Print stages, shapes, parameters, FLOPs and bytes on the wire.

  Args:
    rows: stages and wires, as `federation.cost.table` gives them.
    facts: further lines, by name.
  """
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
  OUT.print(out)
  for name, value in facts.items():
    say(f"{name}: {value}")


def size(count: float) -> str:
  """A number of bytes as text, with its unit.

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
