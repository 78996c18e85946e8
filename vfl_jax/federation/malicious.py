"""Parties that do not follow the protocol, and what they see of it then."""

import collections
from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.federation import optimizers
from vfl_jax.federation import recording
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import loop
from vfl_jax.federation import train
from vfl_jax.federation import views


def attacked(
  config: Any,
  setup: federation_setup.Setup,
  members: Sequence[int],
  local: Any,
  record: bool = False,
) -> tuple[views.Federation, Any]:
  """The federation as it would be with malicious parties.

  Everything else, seeds and batches too, is as in the honest one.

  Args:
    config: of the experiment.
    setup: data and compiled functions.
    members: the malicious ones.
    local: their optimiser, see `optimizers.build`.
    record: whether messages are kept as in the honest one.

  Returns:
    The trained federation and `predict` of its learner.
  """
  steps = federation_setup.steps_per_epoch(config, len(setup.targets[0]))
  rules = optimizers.rules(
    config.train, config.data.parties, steps, dict.fromkeys(members, local)
  )
  setup = setup._replace(learner=setup.make(rules))
  state, kept = federation_setup.initial(config, setup)
  if not record:
    kept = recording.keep(state["variables"])
  epochs = loop.fit(
    setup.learner,
    state,
    setup.inputs,
    setup.targets,
    setup.keys,
    start=0,
    epochs=config.train.epochs,
    kept=kept,
  )
  ((_, state, kept, _),) = collections.deque(epochs, maxlen=1)
  return views.trained(
    config, setup, state["variables"], kept
  ), setup.learner.predict


def swapped(
  setup: federation_setup.Setup,
  f: views.Federation,
  state: Any,
  members: Sequence[int],
  attack: base.Attack,
  known_rows: np.ndarray,
  start: int,
) -> views.Federation:
  """The federation after turns in which these parties sent something else.

  The training goes on from where it ended, an epoch a turn, with the same
  optimisers and their schedules begun anew (at the end of most of them nothing
  moves); in the first turn (number 0) as in the others `attack.send` says what
  is sent.

  Args:
    setup: data and compiled functions.
    f: the federation as it was trained.
    state: after training; not consumed.
    members: the malicious parties.
    attack: an active one with `send`.
    known_rows: training rows it compares with, `[seeds, m]`.
    start: epochs that the training took.

  Returns:
    The federation, its messages those of the turns.
  """
  swap = train.Swap(tuple(members), attack.send)
  recorder = recording.Recorder(f.recorder.rows, f.passive)
  learner = setup.make(setup.rules, recorder=recorder, swap=swap)
  state = optimizers.restarted(jax.tree.map(jnp.copy, state))
  seeds, messages = len(f.keys), {}
  for turn in range(attack.turns(f.dataset.num_classes)):
    swap_inputs = jnp.asarray(known_rows), jnp.full(seeds, turn)
    state, _, sent = learner.recording_epoch(
      state, setup.inputs, setup.targets, setup.keys, start + turn, swap_inputs
    )
    messages[str(start + turn)] = {
      # what was sent is not its embeddings
      "parties": [{"gradients": s["gradients"]} for s in sent["parties"]],
      "announced": {},
      "bottoms": f.variables["bottoms"][: f.passive],
    }
  return dataclasses.replace(
    f,
    variables=jax.tree.map(jnp.copy, state["variables"]),
    kept={**f.kept, "messages": messages},
    recorder=recorder,
  )


def continued(
  setup: federation_setup.Setup, state: Any, start: int, turns: int
):
  """Variables after as many honest epochs more, schedules begun anew."""
  state = optimizers.restarted(jax.tree.map(jnp.copy, state))
  for turn in range(turns):
    state, _ = setup.learner.epoch(
      state, setup.inputs, setup.targets, setup.keys, start + turn
    )
  return state["variables"]
