"""A page about many runs: how their configs and their results differ."""

from collections.abc import Iterable, Mapping, Sequence
import json
import os
import pathlib
from typing import Any

from vfl_jax.results.pages import leakage
from vfl_jax.results import status as result_status
from vfl_jax.results import tables


def experiments(folders: Iterable[str | os.PathLike[str]]) -> list[Any]:
  """`(folder, config)` of experiments; a study or an audit gives all its own.

  Raises:
    ValueError: a folder holds no run.
  """
  runs = []
  for folder in map(pathlib.Path, folders):
    path = folder / "config.json"
    if not path.is_file():
      raise ValueError(f"{folder} holds no run: config.json is missing.")
    config = json.loads(path.read_text("utf-8"))
    if config["kind"] in ("study", "audit"):
      below = sorted(p.parent for p in folder.glob("runs/*/config.json"))
      runs += experiments(below)
    elif config["kind"] == "experiment":
      runs.append((folder, config))
  return runs


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
  """Values of a config by dotted key, as text.

  >>> flat({"train": {"epochs": 3}, "attacks": ["norm"]})
  {'train.epochs': '3', 'attacks': '["norm"]'}
  """
  flattened = {}
  for key, value in config.items():
    if isinstance(value, Mapping):
      flattened |= flat(value, f"{prefix}{key}.")
    else:
      flattened[prefix + key] = (
        value if isinstance(value, str) else json.dumps(value)
      )
  return flattened


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
  """Dotted keys, except the name, whose values differ between configs."""
  flat_configs = [flat(config) for config in configs]
  keys = dict.fromkeys(
    key for values in flat_configs for key in values if key != "name"
  )
  return [
    k for k in keys if len({values.get(k, "") for values in flat_configs}) > 1
  ]


def contents(
  folders: Iterable[str | os.PathLike[str]], beside: pathlib.Path
) -> dict[str, Any]:
  """The variables of compare.html.

  Args:
    folders: folders of runs, studies or audits.
    beside: folder of the page, for relative links.

  Raises:
    ValueError: a folder holds no run, or there is no experiment in them.
  """
  runs = experiments(folders)
  if not runs:
    raise ValueError("nothing to compare: no experiment in these folders.")
  keys = differing([config for _, config in runs])
  rows = []
  for folder, config in runs:
    values, status = flat(config), result_status.status(folder)
    link = os.path.relpath((folder / "report.html").resolve(), beside)
    rows.append(
      {
        "name": config["name"],
        "link": link if (folder / "report.html").is_file() else "",
        "state": status.get("state", "waiting"),
        "reason": status.get("reason", ""),
        "values": [values.get(key, "") for key in keys],
        "main": _main(folder),
        "leak": _leak(folder),
        "exposed": _exposed(folder),
      }
    )
  return {"keys": keys, "rows": rows}


def _main(folder):
  """The score of the main task on test rows; None without one."""
  frame = tables.read(folder, "main")
  if frame.empty:
    return None
  frame = frame[(frame["rows"] == "test") & frame["primary"]]
  return frame.iloc[0].to_dict() if len(frame) else None


def _leak(folder):
  """The largest advantage of any attack by any party; None without one."""
  cards = leakage.strongest(tables.read(folder, "leakage"))
  return max(cards, key=lambda card: card["advantage"], default=None)


def _exposed(folder):
  """The share of test features rebuilt of the most exposed party, or None."""
  frame = tables.read(folder, "exposure")
  if frame.empty:
    return None
  errors = frame[
    (frame["metric"] == "unexplained")
    & (frame["what"] == "attack")
    & (frame["rows"] == "test")
  ]
  means = 1 - errors.groupby("party")["value"].mean()
  return float(means.max()) if len(means) else None
