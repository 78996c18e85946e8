"""The protocol is a vjp: what travels in one step, and every party's update.

Embeddings go up, the gradient of the loss with respect to them comes down, and
nothing else crosses between parties.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vfl_jax.defenses import base
from vfl_jax.federation import grouping
from vfl_jax.federation import messages as federation_messages
from vfl_jax.federation import optimizers
from vfl_jax.federation import split

PyTree = Any


def step(
  net: split.Net,
  rules: optimizers.Optimizers,
  defense: base.Defense,
  state: PyTree,
  inputs: tuple,
  targets: jax.Array,
  *,
  moment: base.Moment | None = None,
  passive: int | None = None,
  transmit: Callable[[tuple], tuple] | None = None,
  together: grouping.Alike | None = None,
):
  """One round of the protocol and one update of every party.

  Args:
    net: the split model.
    rules: each party's own optimiser.
    defense: what the active party does about its labels.
    state: before the step.
    inputs: of the batch, a tuple over parties.
    targets: of the batch.
    moment: needed by most defences.
    passive: parties that the defence is against, the first ones; None for all.
    transmit: see `exchange`.
    together: parties that run as one; what the state holds of the bottoms is
      then stacked.

  Returns:
    `(state, metrics, sent)`, see `messages.Sent`.
  """
  variables = state["variables"]
  together = together or grouping.none(net.parties)
  if defense.targets:
    codes = variables["top"]["stats"]["codes"]
    targets = defense.targets(codes, moment, targets)
  if defense.inputs:
    shares = split.one_hot(targets, net.model.num_classes)
    inputs, targets = defense.inputs(moment, inputs, shares)
  release = None
  if defense.release and net.cut:
    assert moment is not None
    shares = split.one_hot(targets, net.model.num_classes)
    release = federation_messages.Release(
      defense.release(moment, shares), passive
    )
  messages, pulls, top_gradient, stats, (loss, logits) = exchange(
    net, variables, inputs, targets, transmit, moment, release, together
  )
  down, defense_state = messages.gradients, state["defense"]
  if defense.gradient is not None and net.cut:
    theirs, defense_state = defense.gradient.update(
      down[:passive],
      defense_state,
      labels=split.one_hot(targets, net.model.num_classes),
      rows=None if moment is None else moment.rows,
    )
    down = (*theirs, *down[len(theirs) :])
  if net.cut:
    gradients = tuple(
      pull(g) for pull, g in zip(pulls, together.stack(down), strict=True)
    )
  else:  # nothing came down, and there is nothing to train below
    gradients = tuple(v["params"] for v in variables["bottoms"])

  def updated(rule, values, gradient, optimizer_state, new_stats):
    change, optimizer_state = rule.update(
      gradient, optimizer_state, values["params"]
    )
    params = optax.apply_updates(values["params"], change)
    return {"params": params, "stats": new_stats}, optimizer_state

  bottoms = together.each(
    lambda k, *own: updated(rules.bottoms[k], *own),
    variables["bottoms"],
    gradients,
    state["optimizer"]["bottoms"],
    stats["bottoms"],
  )
  top, top_state = updated(
    rules.top,
    variables["top"],
    top_gradient,
    state["optimizer"]["top"],
    stats["top"],
  )
  if defense.silent:
    before = zip(
      variables["bottoms"], state["optimizer"]["bottoms"], strict=True
    )
    assert moment is not None
    quiet = defense.silent(moment.progress)
    bottoms = _unless(quiet, bottoms, list(before))
    seen = (down, gradients)
    nothing = jax.tree.map(lambda g: jnp.full_like(g, jnp.nan), seen)
    down, gradients = _unless(quiet, seen, nothing)
  state = {
    "variables": {"bottoms": tuple(b[0] for b in bottoms), "top": top},
    "optimizer": {"bottoms": tuple(b[1] for b in bottoms), "top": top_state},
    "defense": defense_state,
  }
  hard = targets if targets.ndim == 1 else jnp.argmax(targets, -1)
  metrics = {
    "loss": loss,
    "accuracy": jnp.mean(jnp.argmax(logits, -1) == hard),
  }
  pairs = None
  if defense.pairs:
    assert moment is not None
    pairs = defense.pairs(moment, len(targets))
    pairs = pairs._replace(partner=moment.rows[pairs.partner])
  sent = federation_messages.Sent(
    messages._replace(gradients=down),
    together.unstack(gradients),
    together.unstack(variables["bottoms"]),
    pairs,
  )
  return state, metrics, sent


def _unless(quiet, new, old):
  return jax.tree.map(lambda a, b: jnp.where(quiet, b, a), new, old)


def exchange(
  net: split.Net,
  variables: PyTree,
  inputs: Sequence[PyTree],
  targets: jax.Array,
  transmit: Callable[[tuple], tuple] | None = None,
  moment: base.Moment | None = None,
  release: federation_messages.Release | None = None,
  together: grouping.Alike | None = None,
):
  """One round of the protocol, up to the gradients coming down.

  Args:
    net: the split model.
    variables: of all parties.
    inputs: features per party.
    targets: labels or soft targets.
    transmit: what is sent in the place of the embeddings; None is the honest
      protocol.
    moment: for a defence that draws.
    release: see `Release`; None sends down the gradients of the targets.
    together: parties that run as one.

  Returns:
    `(messages, pulls, top_gradient, stats, metrics)`: what travelled; per
    group of parties that run as one the function that turns its cut gradients
    into the gradient of its parameters; the top's gradient; new normalisation
    statistics, also per group; the loss (nats) and the logits.
  """
  together = together or grouping.none(len(inputs))
  embeddings, pulls, bottom_stats = zip(
    *(
      party_forward(net, variables, x, together=len(group) > 1)
      for group, variables, x in zip(
        together.groups,
        variables["bottoms"],
        together.stack(inputs),
        strict=True,
      )
    ),
    strict=True,
  )
  sent = together.unstack(embeddings)
  if transmit is not None:
    sent = transmit(sent)
  top_gradient, gradients, top_stats, metrics = active_step(
    net, variables["top"], sent, targets, moment, release
  )
  messages = federation_messages.Messages(sent, gradients)
  stats = {"bottoms": bottom_stats, "top": top_stats}
  return messages, pulls, top_gradient, stats, metrics


def party_forward(
  net: split.Net, variables: PyTree, x: PyTree, together: bool = False
):
  """A party's half of a round: `(h, pull, stats)`; h is all that leaves it.

  With `together` it is that of several parties, everything stacked.
  """

  def forward(params):
    own = {**variables, "params": params}
    bottom = functools.partial(net.bottom, train=True)
    return jax.vmap(bottom)(own, x) if together else bottom(own, x)

  h, pull, stats = jax.vjp(forward, variables["params"], has_aux=True)
  return h, lambda gradient: pull(gradient)[0], stats


def active_step(
  net: split.Net,
  variables: PyTree,
  embeddings,
  targets,
  moment=None,
  release: federation_messages.Release | None = None,
):
  """The active party's half: its gradient, the messages down, its metrics.

  At cut 0 raw slices came up and nothing goes down: a tuple of None.
  """

  def objective(params, embeddings, weights=targets):
    now = {**variables, "params": params}
    logits, stats, cost = net.forward(now, embeddings, moment)
    loss = net.loss(logits, weights)
    shares = split.one_hot(targets, logits.shape[-1])
    cost += net.penalty(now, embeddings, shares, moment)
    return loss + cost, (stats, logits, loss)

  args = (variables["params"], embeddings)
  if net.cut:
    (_, (stats, logits, loss)), (gradient, messages) = jax.value_and_grad(
      objective, argnums=(0, 1), has_aux=True
    )(*args)
  else:
    (_, (stats, logits, loss)), gradient = jax.value_and_grad(
      objective, has_aux=True
    )(*args)
    messages = (None,) * len(embeddings)
  if release is not None:
    # of the messages above only those that are kept are computed
    released, _ = jax.grad(objective, argnums=1, has_aux=True)(
      *args, release.weights
    )
    theirs = released[: release.passive]
    messages = (*theirs, *messages[len(theirs) :])
  return gradient, messages, stats, (loss, logits)
