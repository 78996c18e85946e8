"""What a sweep's study says: `python -m launch.answer SPEC WORKDIR`.

A process of its own, because launching imports no jax. Nothing is trained.
"""

import sys


def main(spec: str, workdir: str) -> int:
  """Read the cells that are done, list the others, write the report."""
  from vfl_jax import config as configs
  from vfl_jax import console
  from vfl_jax import lifecycle
  from vfl_jax import study
  from vfl_jax import workdir as workdirs

  try:
    config = configs.validate(configs.load(spec, {}))
    with console.Progress() as progress:
      study.run(config, workdir, progress, again=False)
  except (workdirs.Refused, lifecycle.Stopped, RuntimeError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  console.summary(workdir)
  return 0


if __name__ == "__main__":
  sys.exit(main(*sys.argv[1:]))
