"""Runs a sweep on a SLURM cluster as one array of jobs, through submitit."""

from collections.abc import Callable, Sequence
import pathlib
from typing import Any

from launch import runs as launched
from launch import task


def submit(
  runs: Sequence[launched.Run],
  workers: int,
  options: dict[str, str],
  watch: Callable[[], Any],
) -> None:
  """Submits one array of jobs and returns.

  A job that is preempted or reaches its time limit is queued again and
  continues from its checkpoint. Pickles and logs of submitit stay in the
  sweep's folder `slurm`, which only the user can read.

  Args:
    runs: the remaining runs.
    workers: number of jobs at a time; 0 is as many as the cluster allows.
    options: options of sbatch as submitit names them, e.g. `partition`, `time`
      (minutes), `gres`, `cpus_per_task`, `mem`.
    watch: not called, because the launcher does not wait.

  Raises:
    ValueError: submitit or sbatch is missing, or an option is unknown.
  """
  del watch
  try:
    import submitit
  except ImportError as error:
    raise ValueError(
      "the slurm backend needs submitit: pip install -e '.[slurm]'."
    ) from error
  folder = runs[0].spec.parent.parent / "slurm"
  folder.mkdir(mode=0o700, parents=True, exist_ok=True)
  folder.chmod(0o700)
  queued = {run.name for run in runs if _queued(submitit, folder, run)}
  if queued:
    print(f"{len(queued)} runs are queued already.")
  runs = [run for run in runs if run.name not in queued]
  if not runs:
    return
  try:
    executor = submitit.SlurmExecutor(folder, max_num_timeout=100)
    executor.update_parameters(
      job_name="vfl_jax",
      **({"array_parallelism": workers} if workers else {}),
      **{key: _value(value) for key, value in options.items()},
    )
  except (RuntimeError, ValueError, TypeError) as error:
    raise ValueError(f"SLURM: {error}") from error
  jobs = executor.map_array(task.Task(), [list(_plain(r)) for r in runs])
  for run, job in zip(runs, jobs, strict=True):
    _number(folder, run).write_text(job.job_id)
  print(f"{len(jobs)} jobs submitted: array {jobs[0].job_id.split('_')[0]}.")


def _number(folder, run) -> pathlib.Path:
  """The file with the number of a run's last job."""
  return folder / f"{run.name}.job"


def _queued(submitit, folder, run) -> bool:
  """Whether a job of this run is waiting or running."""
  if not _number(folder, run).is_file():
    return False
  job = submitit.SlurmJob(folder, _number(folder, run).read_text())
  return not job.done(force_check=True)


def _plain(run):
  return run.name, str(run.folder), str(run.spec), str(run.log)


def _value(text):
  return int(text) if text.isdigit() else text
