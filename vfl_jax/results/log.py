"""Metrics of every epoch in metrics.jsonl, one JSON object per line."""

from collections.abc import Iterable, Mapping
import json
import os
import pathlib
from typing import Any


from vfl_jax.results import files


def read_metrics(workdir: str | os.PathLike[str]) -> list[dict[str, Any]]:
  """Lines of metrics.jsonl, without an incompletely written last one."""
  path = pathlib.Path(workdir) / "metrics.jsonl"
  if not path.is_file():
    return []
  lines = []
  for line in path.read_text("utf-8").splitlines():
    try:
      lines.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return lines


def write_metrics(
  workdir: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]
) -> None:
  """Replace metrics.jsonl, for example by the lines before a resumed epoch."""
  text = "".join(json.dumps(row) + "\n" for row in rows)
  files.write_text(pathlib.Path(workdir) / "metrics.jsonl", text)


def append_metrics(
  workdir: str | os.PathLike[str], row: Mapping[str, Any]
) -> None:
  """Append one line to metrics.jsonl."""
  path = pathlib.Path(workdir) / "metrics.jsonl"
  with path.open("a", encoding="utf-8") as file:
    file.write(json.dumps(row) + "\n")
