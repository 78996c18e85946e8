"""Compare many runs on one page: `python -m vfl_jax.results DIR1 DIR2 ...`."""

import argparse
import sys

from vfl_jax.results import pages


def main() -> int:
  """Write the page; returns the exit code: 0, or 2 for folders without runs."""
  parser = argparse.ArgumentParser(
    prog="python -m vfl_jax.results", description=__doc__
  )
  parser.add_argument("folders", nargs="+", help="runs, studies or audits")
  parser.add_argument("--out", default="compare.html", help="the page")
  asked = parser.parse_args()
  try:
    print(f"report: {pages.compare(asked.folders, asked.out)}")
  except (ValueError, OSError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  return 0


if __name__ == "__main__":
  sys.exit(main())
