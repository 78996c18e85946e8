"""Shapes, memory and costs of an experiment, before anything is trained."""

from typing import Any

import jax

from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.federation import cost
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import loop
from vfl_jax.results import terminal
from vfl_jax.runtime import compilation


def dry_run(config: Any) -> None:
  """Print stages, shapes, parameters, memory, FLOPs and bytes on the wire."""
  if config.mesh.hosts > 1:
    config = experiment.alone(config)  # the other hosts need not take part
  lifecycle.prepare(config)
  before = compilation.ledger()
  setup = experiment.prepared(config)
  rows = cost.table(
    setup.net, setup.inputs, config.train.batch_size, setup.passive
  )
  state, kept = federation_setup.initial(config, setup)
  stored = lambda tree: sum(a.nbytes for a in jax.tree.leaves(tree))
  activations = sum(r["activation_bytes"] for r in rows)
  n = len(setup.targets[0])
  steps = federation_setup.steps_per_epoch(config, n)
  up = sum(r["up_bytes"] for r in rows)
  down = sum(r["down_bytes"] for r in rows)
  rounds = steps * config.train.batch_size
  epochs = config.train.epochs
  silent = setup.defense.silent or (lambda progress: False)
  heard = sum(not silent(epoch / epochs) for epoch in range(epochs))
  learner = setup.learner
  program: Any = (
    learner.recording_epoch if loop.records(kept, epochs) else learner.epoch
  )
  compiled = program.lower(
    state, setup.inputs, setup.targets, setup.keys, 0
  ).compile()
  room = compiled.memory_analysis()
  working = (
    f", which works in {terminal.size(room.temp_size_in_bytes)}"
    if (room)
    else ""
  )
  terminal.dry_run(
    rows,
    {
      "cut": f"{setup.net.cut} of {len(setup.net.model.stages)} stages "
      f"(reference {setup.net.model.reference_cut})",
      "rows": f"{n} train, {len(setup.dataset.validation.labels)} validation, "
      f"{len(setup.dataset.test.labels)} test",
      "steps": f"{steps} per epoch, {config.train.epochs} epochs, "
      f"{config.seeds} seeds",
      "memory": f"data {terminal.size(stored(setup.inputs))}, state "
      f"{terminal.size(stored((state, kept)))} ({config.seeds} "
      "seeds), activations "
      f"{terminal.size(activations)} a seed and step",
      "on the wire": f"{terminal.size(up * rounds * epochs)} up, "
      f"{terminal.size(down * rounds * heard)} down in all, a seed",
      "compiled": f"{compilation.ledger().since(before)} (set-up and an epoch "
      f"of the training{working}; probes and attacks come on top)",
    },
  )
