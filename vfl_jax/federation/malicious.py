"""Federations in which malicious parties deviate from the protocol."""

import collections
from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Integer
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
  """Trains the federation with malicious parties that use their own optimiser.

  Everything else, including seeds and batches, equals the honest training.

  Args:
    config: the experiment's config.
    setup: data and compiled functions.
    members: numbers of the malicious parties.
    local: the malicious optimiser, see `optimizers.build`.
    record: whether messages are recorded as in the honest training.

  Returns:
    The trained federation and the `predict` function of its learner.
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
  known_rows: Integer[np.ndarray, "seeds known"],
  start: int,
) -> views.Federation:
  """Continues the training for turns in which parties send forged embeddings.

  A turn is one epoch. The optimisers are those of the training, with their
  learning-rate schedules restarted, because most schedules end near zero. In
  every turn, from number 0 on, `attack.send` decides what is sent.

  Args:
    setup: data and compiled functions.
    f: the trained federation.
    state: training state after the last epoch; it is copied, not donated.
    members: numbers of the malicious parties.
    attack: an active attack that has `send`.
    known_rows: training rows that the attack compares with, `[seeds, m]`.
    start: number of epochs that the training took.

  Returns:
    The federation after the last turn; its messages are those of the turns.
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
      # what a malicious party sent is not its embeddings, so it is dropped
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
  """Variables after further honest epochs with restarted schedules.

  Args:
    setup: data and compiled functions.
    state: training state after the last epoch; it is copied, not donated.
    start: number of epochs that the training took.
    turns: number of further epochs.
  """
  state = optimizers.restarted(jax.tree.map(jnp.copy, state))
  for turn in range(turns):
    state, _ = setup.learner.epoch(
      state, setup.inputs, setup.targets, setup.keys, start + turn
    )
  return state["variables"]
