"""Run a sweep: `python -m launch --config=configs/paper/cut_sweep.py:cpu`.

A config of kind "study" has one run per cell. Finished runs are skipped,
interrupted runs continue from their checkpoints, and failed runs are tried
again. Override keys as in main.py, e.g. `--config.workers=2`."""

import importlib
import pathlib
import subprocess
import sys

from absl import app
from absl import flags
from rich import console

from launch import runs as launched
from launch import watch
from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.results import files as result_files

BACKENDS = {
  "local": "launch.local",
  "slurm": "launch.slurm",
  "ray": "launch.on_ray",
  "print": "launch.printed",
}
_CONFIG = flags.DEFINE_string("config", None, "As for main.py.")
_WORKDIR = flags.DEFINE_string("workdir", "", "Default: runs/NAME-DIGEST.")
_BACKEND = flags.DEFINE_enum("backend", "local", [*BACKENDS], "The engine.")
_WORKERS = flags.DEFINE_integer("workers", 0, "Runs at a time; 0: what fits.")
_OPTION = flags.DEFINE_multi_string("option", [], "KEY=VALUE of the engine.")
_STATUS = flags.DEFINE_bool("status", False, "Only show the runs' states.")
_COLLECT = flags.DEFINE_bool("collect", False, "Join tables of finished runs.")
_LEAVE = ("print", "slurm")  # engines that do not wait for the runs
_overrides: dict[str, str] = {}


def main(argv: list[str]) -> int:
  """Runs the sweep; returns 0 if all runs are done, 1 if not, 2 on an error."""
  try:
    if len(argv) > 1:
      raise ValueError(f"unknown argument {argv[1]!r}; see --help.")
    if _CONFIG.value is None:
      raise ValueError("no --config; give the config file of a sweep.")
    if _WORKERS.value < 0:
      raise ValueError(f"--workers is {_WORKERS.value}; take 0 or more.")
    config = files.load(_CONFIG.value, _overrides)
    workdir = _WORKDIR.value or f"runs/{config.name}-{identity.digest(config)}"
    runs = launched.expand(config, workdir)
    if _COLLECT.value:
      path, rows = launched.collect(runs, workdir)
      print(f"{rows} rows in {path}.")
    left = not (_COLLECT.value or _STATUS.value) and _launch(runs)
  except (ValueError, OSError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  if _BACKEND.value == "print" and not (_COLLECT.value or _STATUS.value):
    return 0
  return _answer(runs, config, workdir, left)


def _launch(runs):
  """Submits the remaining runs; returns whether the engine still has them."""
  options = dict(_pair(text) for text in _OPTION.value)
  engine = importlib.import_module(BACKENDS[_BACKEND.value])
  left = launched.left(runs)
  if not left:
    return False
  leaves = _BACKEND.value in _LEAVE
  with watch.Watch(runs, leaves) as look:
    engine.submit(left, _WORKERS.value, options, look)
  return leaves


def _answer(runs, config, workdir, left):
  """Shows the runs' states, and the report of a finished study.

  Returns:
    The exit code, see `main`.
  """
  states = launched.states(runs)
  out = console.Console(highlight=False, soft_wrap=True)
  for run in runs:
    if states[run.name] in ("failed", "diverged"):
      out.print(watch.trouble(run, states[run.name]))
  out.print(watch.picture(runs, states))
  whole = all(state == "done" for state in states.values())
  if _STATUS.value or config.kind != "study":
    return 0 if whole else 1
  going = ("running", "waiting", "interrupted")
  if left or any(state in going for state in states.values()):
    return 1
  spec = pathlib.Path(workdir) / "asked" / "study.json"
  result_files.write_text(spec, identity.as_json(config))
  command = [sys.executable, "-m", "launch.answer", str(spec), str(workdir)]
  ended = subprocess.run(command)
  return ended.returncode or (0 if whole else 1)


def _pair(text):
  key, equals, value = text.partition("=")
  if not equals:
    raise ValueError(f"--option={text!r}; write --option=KEY=VALUE.")
  return key, value


def _parse(argv: list[str]) -> list[str]:
  keys = [a for a in argv if a.startswith("--config.")]
  try:
    for key, equals, value in (k[9:].partition("=") for k in keys):
      if not equals:
        raise flags.Error(f"write --config.{key}=VALUE, in one word.")
      _overrides[key] = value
    return flags.FLAGS([a for a in argv if a not in keys])
  except flags.Error as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
  app.run(main, flags_parser=_parse)
