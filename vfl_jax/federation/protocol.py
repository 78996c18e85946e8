"""One step of the protocol, written as a vjp, and every party's update.

Embeddings go up, the gradient of the loss with respect to them comes down, and
nothing else crosses between parties.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float
from jaxtyping import Int
import optax

from vfl_jax.defenses import base
from vfl_jax.federation import defended
from vfl_jax.federation import grouping
from vfl_jax.federation import messages as federation_messages
from vfl_jax.federation import optimizers
from vfl_jax.federation import split
from vfl_jax.models import base as models

PyTree = Any
# labels, or a distribution over classes for each row
Targets = Int[jax.Array, " rows"] | Float[jax.Array, "rows classes"]


def step(
  net: split.Net,
  rules: optimizers.Optimizers,
  defense: base.Defense,
  state: dict[str, Any],
  inputs: tuple[PyTree, ...],
  targets: Targets,
  *,
  moment: base.Moment | None = None,
  passive: int | None = None,
  transmit: Callable[[tuple], tuple] | None = None,
  together: grouping.Alike | None = None,
):
  """Runs one round of the protocol and updates every party.

  Args:
    net: the split model.
    rules: the optimiser of each party.
    defense: how the active party protects its labels.
    state: training state before the step.
    inputs: features of the batch, one tree per party.
    targets: labels or soft targets of the batch.
    moment: where in the training the step is; most defences need it.
    passive: number of parties the defence is against, the first; None: all.
    transmit: see `exchange`.
    together: groups of parties that run together, stacked in the state.

  Returns:
    `(state, metrics, sent)`, see `messages.Sent`.
  """
  variables = state["variables"]
  together = together or grouping.none(net.parties)
  inputs, targets = defended.disguised(
    net, defense, variables, inputs, targets, moment
  )
  release = defended.release(net, defense, targets, moment, passive)
  quiet = defended.quiet(defense, moment)
  done = exchange(
    net, variables, inputs, targets, transmit, moment, release, together, quiet
  )
  down, defense_state = defended.gradients(
    net, defense, state["defense"], done, targets, moment, passive
  )
  if net.cut:
    gradients = tuple(
      pull(g) for pull, g in zip(done.pulls, together.stack(down), strict=True)
    )
  else:  # nothing came down, and the bottoms have no parameters to train
    gradients = tuple(v["params"] for v in variables["bottoms"])
  bottoms, top = _updated(rules, state, gradients, done, together)
  if quiet is not None:
    before = zip(
      variables["bottoms"], state["optimizer"]["bottoms"], strict=True
    )
    bottoms = _unless(quiet, bottoms, list(before))
    seen = (down, gradients)
    nothing = jax.tree.map(lambda g: jnp.full_like(g, jnp.nan), seen)
    down, gradients = _unless(quiet, seen, nothing)
  sent = federation_messages.Sent(
    rows=tuple(
      {"gradients": g, "embeddings": h}
      for g, h in zip(down, done.messages.embeddings, strict=True)
    ),
    step=tuple(
      {"gradients": g, "bottoms": v}
      for g, v in zip(
        together.unstack(gradients),
        together.unstack(variables["bottoms"]),
        strict=True,
      )
    ),
    announced=defended.announced(defense, moment, len(targets)),
  )
  state = {
    "variables": {"bottoms": tuple(b[0] for b in bottoms), "top": top[0]},
    "optimizer": {"bottoms": tuple(b[1] for b in bottoms), "top": top[1]},
    "defense": defense_state,
  }
  hard = targets if targets.ndim == 1 else jnp.argmax(targets, -1)
  correct = jnp.mean(jnp.argmax(done.logits, -1) == hard)
  return state, {"loss": done.loss, "accuracy": correct}, sent


def _updated(rules, state, gradients, done, together):
  """`(variables, optimiser state)` after the step, by group and of the top."""

  def updated(rule, values, gradient, optimizer_state, new_stats):
    change, optimizer_state = rule.update(
      gradient, optimizer_state, values["params"]
    )
    params = optax.apply_updates(values["params"], change)
    return {"params": params, "stats": new_stats}, optimizer_state

  variables, optimizer = state["variables"], state["optimizer"]
  bottoms = together.each(
    lambda k, *arguments: updated(rules.bottoms[k], *arguments),
    variables["bottoms"],
    gradients,
    optimizer["bottoms"],
    done.stats["bottoms"],
  )
  top = updated(
    rules.top,
    variables["top"],
    done.top_gradient,
    optimizer["top"],
    done.stats["top"],
  )
  return bottoms, top


def _unless(quiet, new, old):
  return jax.tree.map(lambda a, b: jnp.where(quiet, b, a), new, old)


class Round(NamedTuple):
  """One round of the protocol, up to the gradients coming down.

  Attributes:
    messages: the embeddings sent up and the gradients sent down.
    pulls: one function per group of parties that run together; it turns the
      group's cut gradients into the gradient of its parameters.
    top_gradient: gradient of the top's parameters.
    stats: new normalisation statistics, `{"bottoms", "top"}`; the bottoms have
      one entry per group.
    loss: mean loss of the batch in nats.
    logits: scores of the classes, `[batch, classes]`.
  """

  messages: federation_messages.Messages
  pulls: tuple[Callable[[PyTree], PyTree], ...]
  top_gradient: PyTree
  stats: dict[str, Any]
  loss: Float[jax.Array, ""]
  logits: models.Logits


def exchange(
  net: split.Net,
  variables: models.Variables,
  inputs: Sequence[PyTree],
  targets: Targets,
  transmit: Callable[[tuple], tuple] | None = None,
  moment: base.Moment | None = None,
  release: federation_messages.Release | None = None,
  together: grouping.Alike | None = None,
  quiet: jax.Array | None = None,
) -> Round:
  """Runs one round of the protocol, up to the gradients coming down.

  Args:
    net: the split model.
    variables: variables of all parties, the bottoms stacked by group.
    inputs: features of the batch, one tree per party.
    targets: labels or soft targets of the batch.
    transmit: maps the embeddings to what is sent instead; None is the honest
      protocol.
    moment: where in the training the step is; for defences that draw.
    release: see `messages.Release`; None sends the gradients of the targets.
    together: groups of parties that run together.
    quiet: see `party_forward`.
  """
  together = together or grouping.none(len(inputs))
  embeddings, pulls, bottom_stats = zip(
    *(
      party_forward(net, variables, x, together=len(group) > 1, quiet=quiet)
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
  top_gradient, gradients, top_stats, (loss, logits) = active_step(
    net, variables["top"], sent, targets, moment, release
  )
  return Round(
    federation_messages.Messages(sent, gradients),
    pulls,
    top_gradient,
    {"bottoms": bottom_stats, "top": top_stats},
    loss,
    logits,
  )


def party_forward(
  net: split.Net,
  variables: models.Variables,
  x: PyTree,
  together: bool = False,
  quiet: jax.Array | None = None,
) -> tuple[PyTree, Callable[[PyTree], PyTree], PyTree]:
  """A passive party's half of a round.

  Args:
    net: the split model.
    variables: variables of the party's bottom model.
    x: features of the batch.
    together: whether variables and features are those of several parties,
      stacked along a leading axis.
    quiet: whether the party does not train in this round: it then uses its
      running statistics, as in a prediction. None if it always trains.

  Returns:
    `(h, pull, stats)`: the embeddings, which alone leave the party; the
    function from cut gradients to the gradient of the parameters; and the new
    normalisation statistics.
  """

  def forward(params):
    def run(train):
      bottom = functools.partial(net.bottom, train=train)
      bottom = jax.vmap(bottom) if together else bottom
      return bottom({**variables, "params": params}, x)

    h, stats = run(train=True)
    if quiet is not None:
      h = _unless(quiet, h, run(train=False)[0])
    return h, stats

  h, pull, stats = jax.vjp(forward, variables["params"], has_aux=True)
  return h, lambda gradient: pull(gradient)[0], stats


def active_step(
  net: split.Net,
  variables: models.Variables,
  embeddings: tuple[models.Embeddings, ...],
  targets: Targets,
  moment: base.Moment | None = None,
  release: federation_messages.Release | None = None,
) -> tuple[
  PyTree,
  tuple[models.CutGradients, ...],
  PyTree,
  tuple[Float[jax.Array, ""], models.Logits],
]:
  """The active party's half of a round.

  Returns:
    `(gradient, messages, stats, (loss, logits))`: the gradient of the top's
    parameters, what goes down to each party (None at cut 0, where raw features
    come up), the new normalisation statistics, and the mean loss in nats with
    the logits.
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
    # XLA drops the gradients above that are replaced here
    released, _ = jax.grad(objective, argnums=1, has_aux=True)(
      *args, release.weights
    )
    theirs = released[: release.passive]
    messages = (*theirs, *messages[len(theirs) :])
  return gradient, messages, stats, (loss, logits)
