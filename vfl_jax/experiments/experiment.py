"""One experiment from config to report: the only place that orchestrates it."""

import os
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from vfl_jax.config import identity
from vfl_jax.experiments import journal
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments import measurements
from vfl_jax.experiments import resplit
from vfl_jax.experiments.validation import recorded
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import loop
from vfl_jax.federation import views
from vfl_jax.results import status
from vfl_jax.runtime import hosts


class Run(NamedTuple):
  """A finished run, to predict and attack with.

  Attributes:
    config: validated config.
    federation: the split model, its variables (the first axis is over seeds),
      the data, and what each party saw.
    predict: `predict(inputs)`, logits of shape [seeds, n, classes]; inputs is a
      tuple over parties.
  """

  config: Any
  federation: views.Federation
  predict: Any


def run(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any = None,
) -> pathlib.Path:
  """Train, probe, attack and report; an interrupted run is resumed.

  With `data.resplit` each seed is an experiment in a folder of its own.

  Args:
    config: config of kind "experiment", from `validate.validate`.
    workdir: folder of this run alone; created if needed.
    progress: a `progress.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config, cannot be written or is in
      use, or the data cannot be read, split or partitioned as the config asks.
    Diverged: the training loss became non-finite; status.json records it.
    Stopped: the disk is full, or a table cannot be read.
  """
  if config.data.resplit:
    return lifecycle.complete(config, workdir, progress, resplit.work)
  return lifecycle.complete(config, workdir, progress, work)


def load(workdir: str | os.PathLike[str]) -> Run:
  """Load a run from its workdir, as it was after training.

  Raises:
    FileNotFoundError: the workdir holds no run or no checkpoint.
    Refused: the data can no longer be read, split or partitioned.
  """
  workdir = pathlib.Path(workdir)
  if not (workdir / "config.json").is_file():
    raise FileNotFoundError(f"{workdir} holds no run: config.json is missing.")
  config = identity.from_json((workdir / "config.json").read_text("utf-8"))
  if config.data.resplit:
    raise FileNotFoundError(
      f"each seed of {workdir} has a data split of its own; load one of them, "
      f"e.g. {workdir / 'seeds' / '0'}."
    )
  config = alone(config)  # this machine may have fewer devices
  setup = prepared(config)
  state, kept = federation_setup.initial(config, setup)
  restored = journal.load(workdir, state, kept)
  if restored is None:
    raise FileNotFoundError(f"{workdir} holds no checkpoint to load.")
  _, state, kept = restored
  variables = state["variables"]
  federation = views.trained(config, setup, variables, kept)
  return Run(
    config,
    federation,
    lambda inputs: setup.learner.predict(variables, tuple(inputs)),
  )


def prepared(config: Any) -> federation_setup.Setup:
  """Data, model and compiled functions of a validated config.

  Raises:
    Refused: the data cannot be read, split or partitioned as the config asks,
      or too few of their rows are recorded for the attacks.
  """
  try:
    setup = federation_setup.prepare(config)
    recorded.recorded(config, setup)
  except (ValueError, FileNotFoundError) as error:
    raise lifecycle.Refused(str(error)) from error
  return setup


def work(config: Any, workdir: pathlib.Path, progress: Any) -> None:
  """Train and measure, without a report.

  Args:
    config: of the experiment; its seeds share one data split.
    workdir: of the experiment.
    progress: a `progress.Progress`.
  """
  progress.phase("data", 1)
  setup = prepared(config)
  state, kept = _train(config, workdir, setup, progress)
  if config.mesh.hosts > 1:
    first = hosts.leads()
    hosts.part()
    if not first:
      return
    setup = prepared(alone(config))
  f = views.trained(config, setup, state["variables"], kept)
  status.set_status(
    workdir,
    "running",
    cut=f.net.cut,
    notes=list(f.dataset.notes),
    sizes={
      s: len(getattr(f.dataset, s).labels)
      for s in ("train", "validation", "test")
    },
  )
  measurements.run(
    measurements.Bench(config, workdir, setup, f, state, progress)
  )


def alone(config):
  """The config of the same experiment on one device."""
  mesh = {"data": 1, "seed": 1, "hosts": 1}
  return ml_collections.ConfigDict({**config.to_dict(), "mesh": mesh})


def _train(config, workdir, setup: federation_setup.Setup, progress):
  """Train to the end, from the newest checkpoint; returns state and records."""
  layout = setup.layout
  written = journal.Journal(workdir, layout)
  try:
    done, state, kept = written.resume(*federation_setup.initial(config, setup))
    epochs = config.train.epochs
    progress.phase("train", epochs, done)
    measured = _validation(setup)
    for epoch, state, kept, metrics in loop.fit(
      setup.learner,
      state,
      layout.everywhere(setup.inputs),
      layout.seeds(setup.targets),
      layout.seeds(setup.keys),
      start=done,
      epochs=epochs,
      kept=kept,
    ):
      metrics = layout.whole(metrics)
      _sound(config, layout, epoch, state, metrics)
      line = {
        "epoch": epoch,
        "loss": metrics["loss"].tolist(),
        "accuracy": metrics["accuracy"].tolist(),
        "validation": measured(state["variables"]).tolist(),
      }
      written.write(line, state, kept, last=epoch + 1 == epochs)
      progress.epoch(line)
  finally:
    written.close()
  written.table()
  return layout.gathered(state), layout.gathered(kept)


def _validation(setup):
  """A function `measured(variables)`: validation accuracies by seed."""
  layout, validation = setup.layout, setup.dataset.validation
  inputs = layout.everywhere(
    jax.tree.map(jnp.asarray, tuple(validation.inputs))
  )

  def measured(variables):
    logits = layout.whole(setup.learner.predict(variables, inputs))
    return (logits.argmax(-1) == validation.labels).mean(1)

  return measured


def _sound(config, layout, epoch, state, metrics):
  """Raise `Diverged` if the loss or the weights of a seed are not finite."""
  finite = layout.whole(loop.finite(state["variables"]))
  bad = np.flatnonzero(~(np.isfinite(metrics["loss"]) & finite)).tolist()
  if bad:
    raise lifecycle.Diverged(
      f"the loss or the weights of seeds {bad} were not finite in epoch "
      f"{epoch}; lower "
      f"train.learning_rate={config.train.learning_rate} or clip. "
      "Checkpoints of earlier epochs are intact."
    )
