"""One experiment from config to report: the only orchestration there is."""

import os
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from vfl_jax import alignment
from vfl_jax import attacking
from vfl_jax import checkpoint
from vfl_jax import config as configs
from vfl_jax import console
from vfl_jax import cost
from vfl_jax import federation as federations
from vfl_jax import guarding
from vfl_jax import hosts
from vfl_jax import journal
from vfl_jax import lifecycle
from vfl_jax import measure
from vfl_jax import programs
from vfl_jax import tables
from vfl_jax import train


class Run(NamedTuple):
  """A finished run, to predict and attack with.

  Attributes:
    config: as validated.
    federation: the split model, its variables (a seed axis first), the data,
      and what every party saw.
    predict: `predict(inputs) -> logits [seeds, n, classes]`, inputs a tuple
      over parties.
  """

  config: Any
  federation: federations.Federation
  predict: Any


def run(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any = None,
) -> pathlib.Path:
  """Train, probe, attack and report; resume what is half done.

  Args:
    config: from `config.validate`.
    workdir: created if need be; holds one config's run.
    progress: a `console.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written, or
      the data cannot be read, split or partitioned as asked.
    Diverged: the training loss turned non-finite; status.json says so.
  """
  return lifecycle.complete(config, workdir, progress, _work)


def load(workdir: str | os.PathLike[str]) -> Run:
  """A run from its workdir, as it was after training.

  Raises:
    FileNotFoundError: no run or no checkpoint there.
  """
  workdir = pathlib.Path(workdir)
  if not (workdir / "config.json").is_file():
    raise FileNotFoundError(f"{workdir} holds no run: config.json is missing.")
  config = configs.from_json((workdir / "config.json").read_text("utf-8"))
  config = _alone(config)  # there may be fewer devices here
  setup = federations.prepare(config)
  state, kept = federations.initial(config, setup)
  checkpoints = checkpoint.Checkpoints(workdir / "checkpoints")
  restored = checkpoints.restore({"state": state, "kept": kept})
  checkpoints.close()
  if restored is None:
    raise FileNotFoundError(f"{workdir} holds no checkpoint to load.")
  contents = restored[1]
  variables = contents["state"]["variables"]
  federation = federations.trained(config, setup, variables, contents["kept"])
  return Run(
    config,
    federation,
    lambda inputs: setup.learner.predict(variables, tuple(inputs)),
  )


def dry_run(config: Any) -> None:
  """Print stages, shapes, parameters, memory, FLOPs and bytes on the wire."""
  if config.mesh.hosts > 1:
    config = _alone(config)  # nobody else has to be there
  lifecycle.prepare(config)
  before = programs.ledger()
  setup = federations.prepare(config)
  rows = cost.table(
    setup.net, setup.inputs, config.train.batch_size, setup.passive
  )
  state, kept = federations.initial(config, setup)
  stored = lambda tree: sum(a.nbytes for a in jax.tree.leaves(tree))
  activations = sum(r["activation_bytes"] for r in rows)
  n = len(setup.targets[0])
  steps = federations.steps_per_epoch(config, n)
  up = sum(r["up_bytes"] for r in rows)
  down = sum(r["down_bytes"] for r in rows)
  rounds = steps * config.train.batch_size
  epochs = config.train.epochs
  silent = setup.defense.silent or (lambda progress: False)
  heard = sum(not silent(epoch / epochs) for epoch in range(epochs))
  learner = setup.learner
  program: Any = (
    learner.recording_epoch if train.records(kept, epochs) else learner.epoch
  )
  compiled = program.lower(
    state, setup.inputs, setup.targets, setup.keys, 0
  ).compile()
  room = compiled.memory_analysis()
  working = (
    f", which works in {console.size(room.temp_size_in_bytes)}"
    if (room)
    else ""
  )
  console.dry_run(
    rows,
    {
      "cut": f"{setup.net.cut} of {len(setup.net.model.stages)} stages "
      f"(reference {setup.net.model.reference_cut})",
      "rows": f"{n} train, {len(setup.dataset.validation.labels)} validation, "
      f"{len(setup.dataset.test.labels)} test",
      "steps": f"{steps} per epoch, {config.train.epochs} epochs, "
      f"{config.seeds} seeds",
      "memory": f"data {console.size(stored(setup.inputs))}, state "
      f"{console.size(stored((state, kept)))} ({config.seeds} "
      "seeds), activations "
      f"{console.size(activations)} a seed and step",
      "on the wire": f"{console.size(up * rounds * epochs)} up, "
      f"{console.size(down * rounds * heard)} down in all, a seed",
      "compiled": f"{programs.ledger().since(before)} (set-up and an epoch of "
      f"the training{working}; probes and attacks come on top)",
    },
  )


def _work(config, workdir, progress):
  progress.phase("data", 1)
  setup = federations.prepare(config)
  state, kept = _train(config, workdir, setup, progress)
  if config.mesh.hosts > 1:
    first = hosts.leads()
    hosts.part()
    if not first:
      return
    setup = federations.prepare(_alone(config))
  f = federations.trained(config, setup, state["variables"], kept)
  tables.set_status(
    workdir,
    "running",
    cut=f.net.cut,
    notes=list(f.dataset.notes),
    sizes={
      s: len(getattr(f.dataset, s).labels)
      for s in ("train", "validation", "test")
    },
  )
  guarding.report(config, workdir, setup, state)
  if config.evaluate.alignment and not tables.exists(workdir, "alignment"):
    rows = alignment.measure(setup, config.evaluate.metric)
    tables.write(workdir, "alignment", rows)
  predict = setup.learner.predict
  measure.main_task(config, workdir, f, predict)
  measure.information(config, workdir, f, progress)
  measure.compensation(config, workdir, setup, f, predict, progress)
  attacking.run(config, workdir, setup, f, state, progress)


def _alone(config):
  """The same experiment on one device."""
  mesh = {"data": 1, "seed": 1, "hosts": 1}
  return ml_collections.ConfigDict({**config.to_dict(), "mesh": mesh})


def _train(config, workdir, setup: federations.Setup, progress):
  """Train to the end, from where it was left."""
  layout, predict = setup.layout, setup.learner.predict
  written = journal.Journal(workdir, layout)
  done, state, kept = written.resume(*federations.initial(config, setup))
  epochs = config.train.epochs
  progress.phase("train", epochs, done)
  validation = layout.everywhere(
    jax.tree.map(jnp.asarray, tuple(setup.dataset.validation.inputs))
  )
  truth = setup.dataset.validation.labels
  for epoch, state, kept, metrics in train.fit(
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
    finite = layout.whole(train.finite(state["variables"]))
    sound = np.isfinite(metrics["loss"]) & finite
    if not sound.all():
      bad = np.flatnonzero(~sound).tolist()
      raise lifecycle.Diverged(
        f"the loss or the weights of seeds {bad} were not finite in epoch "
        f"{epoch}; lower "
        f"train.learning_rate={config.train.learning_rate} or clip. "
        "Checkpoints up to the epoch before are intact."
      )
    logits = layout.whole(predict(state["variables"], validation))
    correct = (logits.argmax(-1) == truth).mean(1)
    line = {
      "epoch": epoch,
      "loss": metrics["loss"].tolist(),
      "accuracy": metrics["accuracy"].tolist(),
      "validation": correct.tolist(),
    }
    written.write(line, state, kept)
    progress.epoch(line)
  written.close()
  return layout.gathered(state), layout.gathered(kept)
