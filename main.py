"""Run one experiment: `python main.py --config=configs/NAME.py[:arg]`.

No flags: digits. Override any key, e.g. `--config.train.epochs=5`."""

import sys
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging

_CONFIG = flags.DEFINE_string(
  "config",
  f"{sys.path[0]}/configs/default.py",
  "The experiment's file and, after a colon, its argument.",
)
_WORKDIR = flags.DEFINE_string("workdir", "", "Default runs/NAME-DIGEST.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print shapes and costs only.")
_BOARD = flags.DEFINE_bool("tensorboard", False, "Write WORKDIR/tensorboard.")
_overrides: dict[str, str] = {}


def main(argv: list[str]) -> None:
  logging.set_verbosity(logging.WARNING)
  from vfl_jax.config import files
  from vfl_jax.experiments.validation import validate

  try:
    if len(argv) > 1:
      raise ValueError(f"unknown argument {argv[1]!r}; see --help.")
    config = validate.validate(files.load(_CONFIG.value, _overrides))
  except (ValueError, FileNotFoundError) as error:
    _refuse(error)
  from vfl_jax.experiments import dispatch, lifecycle, progress
  from vfl_jax.results import terminal

  folder = _WORKDIR.value or dispatch.default_workdir(config)
  try:
    if _DRY_RUN.value:
      dispatch.dry_run(config)
      return
    board = dispatch.board(config, folder, _BOARD.value)
    with progress.Progress(board) as shown:
      report = dispatch.work(config).run(config, folder, shown)
  except (lifecycle.Refused, lifecycle.Stopped) as error:
    _refuse(error, code=2 if isinstance(error, ValueError) else 1)
  if report.is_file():  # only the first host writes it
    terminal.summary(folder)


def _parse(argv: list[str]) -> list[str]:
  keys = [a for a in argv if a.startswith("--config.")]
  try:
    for key, equals, value in (k[9:].partition("=") for k in keys):
      if not equals:
        raise flags.Error(f"write --config.{key}=VALUE, in one word.")
      _overrides[key] = value
    return flags.FLAGS([a for a in argv if a not in keys])
  except flags.Error as error:
    _refuse(error)


def _refuse(error: BaseException, code: int = 2) -> NoReturn:
  """Print one sentence instead of a traceback, and exit."""
  print(f"error: {error}", file=sys.stderr)
  sys.exit(code)


if __name__ == "__main__":
  app.run(main, flags_parser=_parse)
