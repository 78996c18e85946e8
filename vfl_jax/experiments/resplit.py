"""An experiment whose seeds have data splits of their own.

Seeds that share a split agree more than experiments do: an interval over them
says nothing of other training rows, test rows and known labels. Here every seed
is an experiment of its own, and the tables are joined.
"""

import collections
import pathlib
from typing import Any

import ml_collections
import pandas as pd

from vfl_jax.config import identity
from vfl_jax.evaluation import main_task
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import pool
from vfl_jax.results import advantage
from vfl_jax.results import status
from vfl_jax.results import tables

# tables without a seed in their rows that are the same for all of them
_ALIKE = ("cost", "privacy")


def seeds(config: Any) -> list[Any]:
  """The experiment of each seed, with a data split of its own."""
  parts = []
  for k in range(config.seeds):
    part: Any = ml_collections.ConfigDict(config.to_dict())
    part.seed, part.seeds, part.data.resplit = config.seed + k, 1, False
    parts.append(part)
  return parts


def work(config: Any, workdir: pathlib.Path, progress: Any) -> None:
  """Run what is not done of all seeds, then join their tables.

  Args:
    config: of the experiment.
    workdir: of the experiment; seeds are in `seeds/0`, `seeds/1`, ...
    progress: a `progress.Progress`.

  Raises:
    Stopped: a seed failed; says which, and why.
    Diverged: the training of a seed did.
  """
  folders = [workdir / "seeds" / str(k) for k in range(config.seeds)]
  left = [
    pool.Task(identity.as_json(part), folder, work="one_seed")
    for part, folder in zip(seeds(config), folders, strict=True)
    if not status.finished(folder)
  ]
  progress.phase("seeds", config.seeds, config.seeds - len(left))
  failed: dict[int, str] = {}

  def done(task: pool.Task, reason: str) -> None:
    if reason:
      failed[int(task.folder.name)] = reason
    progress.advance(f"seed {task.folder.name}")

  workers = min(pool.room(), len(left))
  pool.run(left, workers if workers > 1 else 0, done)
  if failed:
    mark = f"{lifecycle.Diverged.__name__}: "
    diverged = [k for k in sorted(failed) if failed[k].startswith(mark)]
    kind = lifecycle.Diverged if diverged else lifecycle.Stopped
    seed = (diverged or sorted(failed))[0]
    reason = failed[seed].removeprefix(mark)
    raise kind(f"seed {seed} of {config.seeds}: {reason}")
  _join(workdir, folders)


def _join(workdir: pathlib.Path, folders: list[pathlib.Path]) -> None:
  """The tables of the experiment, `seed` counted over all folders."""
  names = sorted({p.stem for f in folders for p in f.glob("tables/*.csv")})
  for name in names:
    frames = [tables.read(folder, name) for folder in folders]
    rows: Any
    if name == "main":
      rows = main_task.joined(frames)
    elif name == "leakage":  # of all attacks, below
      continue
    elif name in _ALIKE:
      rows = frames[0].to_dict("records")
    else:
      frames = [f.assign(seed=k) for k, f in enumerate(frames) if len(f)]
      rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
      if name == "attacks":
        leakage = advantage.advantage(rows.to_dict("records"))
        tables.write(workdir, "leakage", leakage)
      rows = rows.to_dict("records")
    tables.write(workdir, name, rows)
  facts: dict[str, Any] = collections.defaultdict(dict)
  for folder in folders:
    found = status.status(folder)
    for key in ("skipped", "budgets"):
      facts[key] |= found.get(key, {})
    for key in ("cut", "sizes", "notes"):
      facts.setdefault(key, found.get(key))
  status.set_status(workdir, "running", **facts)
