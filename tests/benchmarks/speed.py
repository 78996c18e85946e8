"""All that is measured of speed, as one table and one CSV.

  OMP_NUM_THREADS=1 taskset -c 0 python -m tests.benchmarks.speed \
    --out docs/results/speed.csv --figure docs/results/growth.png

Parts: steps, growth, sweep, gpu; `--quick` cuts their sizes. "ours" and "twin"
are seconds unless "size" says otherwise, "ratio" is the twin's over ours. The
other files of this folder are run by pytest and hold one comparison each.
"""

import argparse
import datetime
import importlib
import os
import pathlib
import platform

import pandas as pd
from rich import console
from rich import table

from tests.benchmarks import growth

PARTS = ("steps", "growth", "sweep", "gpu")
COLUMNS = (
  "part",
  "what",
  "size",
  "ours",
  "twin",
  "ratio",
  "bytes",
  "exponent",
  "exponent_bytes",
)


def hardware() -> str:
  import jax

  cores = len(os.sched_getaffinity(0))
  model = platform.processor() or platform.machine()
  info = pathlib.Path("/proc/cpuinfo")
  for line in info.read_text().splitlines() if info.is_file() else ():
    if line.startswith("model name"):
      model = line.partition(":")[2].strip()
      break
  device = jax.devices()[0].device_kind
  return f"{model}, {cores} core{'s' * (cores > 1)}, {device}"


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {PARTS}")
  parser.add_argument("--out", default="speed.csv")
  parser.add_argument("--figure", default="", help="of growth, a .png")
  parser.add_argument("--quick", action="store_true")
  asked = parser.parse_args()
  unknown = set(asked.parts) - set(PARTS)
  if unknown:
    parser.error(f"unknown part {sorted(unknown)}; take some of {PARTS}")
  rows = []
  for part in asked.parts or PARTS:
    module = importlib.import_module(f"tests.benchmarks.{part}")
    for row in module.rows(asked.quick):
      rows.append(row)
      print(*(row[c] for c in COLUMNS if c in row), sep=", ", flush=True)
  frame = pd.DataFrame(rows, columns=list(COLUMNS))
  frame["date"] = datetime.date.today().isoformat()
  frame["hardware"] = hardware()
  frame.to_csv(asked.out, index=False, float_format="%.5g")
  if asked.figure:
    growth.draw(frame, asked.figure)
  out = table.Table(title=frame["hardware"].iloc[0])
  for column in COLUMNS[1:]:
    out.add_column(column)
  for row in frame.to_dict("records"):
    cells = (row[c] for c in COLUMNS[1:])
    out.add_row(
      *(
        ("" if c != c else f"{c:.3g}") if isinstance(c, float) else str(c)
        for c in cells
      )
    )
  console.Console(width=150).print(out)


if __name__ == "__main__":
  main()
