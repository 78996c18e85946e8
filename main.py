"""Run one experiment: `python main.py --config=configs/NAME.py[:arg]`.

With no flags it runs the default experiment on the digits that ship inside
scikit-learn.
"""

import os
import sys
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file(
  "config",
  os.path.join(sys.path[0], "configs", "default.py"),
  "The experiment, and overrides such as --config.train.epochs=5.",
)
_WORKDIR = flags.DEFINE_string("workdir", "", "Default runs/NAME-DIGEST.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print shapes and costs only.")


def main(argv: list[str]) -> None:
  logging.set_verbosity(logging.WARNING)
  from vfl_jax import config as configs

  try:
    if len(argv) > 1:
      raise ValueError(f"unknown argument {argv[1]!r}; see --help.")
    config = configs.validate(_CONFIG.value.lock())
  except (ValueError, FileNotFoundError) as error:
    _refuse(error)
  from vfl_jax import console
  from vfl_jax import experiment
  from vfl_jax import workdir

  folder = _WORKDIR.value or os.path.join(
    "runs", f"{config.name}-{configs.digest(config)}"
  )
  try:
    if _DRY_RUN.value:
      experiment.dry_run(config)
      return
    workdir.claim(config, folder)
    with console.Progress() as progress:
      experiment.run(config, folder, progress)
  except workdir.Refused as error:
    _refuse(error)
  except experiment.Diverged as error:
    _refuse(error, code=1)
  console.summary(folder)


def _parse(argv: list[str]) -> list[str]:
  try:
    return flags.FLAGS(argv)
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as e:
    _refuse(e)


def _refuse(error: BaseException, code: int = 2) -> NoReturn:
  """One sentence and an exit code, instead of a traceback."""
  text = str(error.args[0] if isinstance(error, KeyError) else error)
  print(f"error: {text.strip()}", file=sys.stderr)
  sys.exit(code)


if __name__ == "__main__":
  app.run(main, flags_parser=_parse)
