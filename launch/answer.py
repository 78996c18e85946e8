"""Reports on a sweep's study: `python -m launch.answer SPEC WORKDIR`.

This is a separate process, because `launch` imports no jax. Nothing is trained.
"""

import sys


def main(spec: str, workdir: str) -> int:
  """Reads the finished cells, lists the others and writes the report.

  Args:
    spec: config file of the study.
    workdir: the sweep's folder.

  Returns:
    The exit code: 0, or 1 if there is no report.
  """
  from vfl_jax.config import files
  from vfl_jax.experiments.validation import validate
  from vfl_jax.experiments import progress as experiment_progress
  from vfl_jax.results import terminal
  from vfl_jax.experiments import lifecycle
  from vfl_jax.experiments import study

  try:
    config = validate.validate(files.load(spec, {}))
    with experiment_progress.Progress() as progress:
      study.run(config, workdir, progress, again=False)
  except (lifecycle.Refused, lifecycle.Stopped, RuntimeError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  terminal.summary(workdir)
  return 0


if __name__ == "__main__":
  sys.exit(main(*sys.argv[1:]))
