"""Run every config of the repository for one step, in two processes.

  python .ci/configs.py FOLDER DATA

Those whose data are not in DATA are named and left out. A process runs many
configs: it imports once, and what they have in common is compiled once.
"""

from concurrent import futures
import multiprocessing
import os
import pathlib
import sys
import time

CONFIGS = pathlib.Path("configs")
BUNDLED = ("digits", "breast_cancer")
FILES = {
  "adult": "tables/adult.parquet",
  "credit_default": "tables/credit_default.parquet",
  "file": "tables/criteo_sample.parquet",
  "ag_news": "text/ag_news_10k.parquet",
}


def run(path: pathlib.Path, folder: pathlib.Path, data: pathlib.Path) -> str:
  """One step of a config; what became of it, in a line."""
  import vfl_jax
  from vfl_jax.runtime import compilation

  started = time.monotonic()
  config = vfl_jax.load_config(f"{path}:step")
  for one in config.get("bases", {"": config}).values():
    source = one.get("data", {}).get("name", "digits")
    if source in FILES:
      one.data.path = str(data / FILES[source])
    if source == "ag_news":
      one.data.text = "text"
    if source not in BUNDLED and not data.is_dir():
      return f"{path}: skipped, no {data}"
  if "workers" in config:
    config.workers = 1  # the other process has the other core
  result = vfl_jax.run(config, folder / path.stem)
  assert result.report.stat().st_size > 10_000, result.report
  compilation.make_room()
  return f"{path}: {time.monotonic() - started:.0f} s"


def main() -> None:
  folder, data = map(pathlib.Path, sys.argv[1:])
  sys.path.insert(0, os.getcwd())
  paths = sorted(
    p
    for p in CONFIGS.rglob("*.py")
    if p.stem != "__init__" and p.parent.name != "shared"
  )
  context = multiprocessing.get_context("spawn")
  with futures.ProcessPoolExecutor(2, context) as processes:
    pending = [processes.submit(run, path, folder, data) for path in paths]
    for done in futures.as_completed(pending):
      print(done.result(), flush=True)


if __name__ == "__main__":
  main()
