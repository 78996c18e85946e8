"""The cut turns one model into bottoms and a top; the protocol is a vjp.

Stages `[:cut]` exist once per feature-holding party, stages `[cut:]` once, at
the active party, on the merged embeddings. One training step is what travels:
embeddings up, the gradient of the loss with respect to them down.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Int

from vfl_jax import models
from vfl_jax import rng
from vfl_jax import types
from vfl_jax.models import stages

PyTree = Any


class Net(NamedTuple):
  """A model split at a cut: pure functions, no state.

  Variables are `{"bottoms": (one per party), "top": ...}`, each a dict of
  `{"params", "stats"}` keyed by stage.

  Attributes:
    init: `init(key, inputs) -> variables` (numpy leaves, drawn on the host).
    init_top: `init_top(key, embeddings) -> variables` of the top alone.
    bottom: `bottom(variables, x, train=False, start=0, stop=None) ->
      (h, stats)`; the stages `[start:stop]` of those below the cut.
    top: `top(variables, embeddings, train=False) -> (logits, stats)`.
    activations: `activations(variables, inputs) -> (bottoms, top)`: per party
      the outputs of layers 0 (its input) to `cut`; then the merged layers
      `cut` to the last.
    loss: `loss(logits, targets) -> mean cross entropy in nats`; targets are
      labels `[n]` or distributions `[n, classes]`.
  """

  model: models.Model
  cut: int
  parties: int
  init: Callable[..., PyTree]
  init_top: Callable[..., PyTree]
  bottom: Callable[..., tuple[PyTree, PyTree]]
  top: Callable[..., tuple[jax.Array, PyTree]]
  activations: Callable[..., tuple[tuple, tuple]]
  loss: Callable[..., jax.Array]


def at(model: models.Model, cut: int, parties: int) -> Net:
  """Split a model.

  Args:
    model: from `models.build`.
    cut: number of stages the parties hold, 0 to `len(model.stages)`. At 0 raw
      slices go up; at the end each party's logits go up and are summed.
    parties: number of feature holders.

  Raises:
    ValueError: cut or parties out of range.

  >>> net = at(models.build("mlp", num_classes=3, hidden=(8,)), 1, parties=2)
  >>> x = (jnp.ones((5, 4)), jnp.ones((5, 6)))
  >>> variables = net.init(jax.random.key(0), x)
  >>> h, _ = net.bottom(variables["bottoms"][1], x[1])
  >>> h.shape
  (5, 8)
  """
  if not 0 <= cut <= len(model.stages):
    raise ValueError(
      f"model.cut is {cut}; {model.name} has {len(model.stages)} stages, so "
      f"take 0 to {len(model.stages)} (its reference cut is "
      f"{model.reference_cut})."
    )
  if parties < 1:
    raise ValueError(f"data.parties is {parties}; at least 1 must hold data.")
  below, above = model.stages[:cut], model.stages[cut:]

  def merge(outputs: Sequence[PyTree]) -> PyTree:
    if not below:
      return model.merge_inputs(outputs)
    if not above:
      return sum(outputs)
    return below[-1].merge(outputs)

  def init(key, inputs):
    bottoms, outputs = [], []
    for k, x in enumerate(inputs):
      variables, x = _init(below, rng.stream(key, "bottom", k), x, k)
      bottoms.append(variables)
      outputs.append(x)
    top = init_top(rng.stream(key, "top"), outputs)
    return {"bottoms": tuple(bottoms), "top": top}

  def init_top(key, embeddings):
    merged = jax.eval_shape(lambda *h: merge(h), *embeddings)
    return _init(above, key, merged, None)[0]

  def bottom(variables, x, train=False, start=0, stop=None):
    y, stats = _run(below[start:stop], variables, x, train)
    return y[-1], {**variables["stats"], **stats}

  def top(variables, embeddings, train=False):
    y, stats = _run(above, variables, merge(embeddings), train)
    return y[-1], stats

  def activations(variables, inputs):
    bottoms = tuple(
      _run(below, variables["bottoms"][k], x, False)[0]
      for k, x in enumerate(inputs)
    )
    merged = merge([layers[-1] for layers in bottoms])
    return bottoms, _run(above, variables["top"], merged, False)[0]

  return Net(
    model,
    cut,
    parties,
    init,
    init_top,
    bottom,
    top,
    activations,
    cross_entropy,
  )


def together(variables: Sequence[Any]) -> Any:
  """Variables of the bottoms of one adversary: of a coalition in tuples."""
  if len(variables) == 1:
    return variables[0]
  return {c: tuple(v[c] for v in variables) for c in ("params", "stats")}


@functools.lru_cache
def joint(bottom: Callable, count: int) -> Callable:
  """The bottoms of so many parties as one, `(h, stats)` in tuples."""
  if count == 1:
    return bottom

  def every(variables, x, train=False, start=0, stop=None):
    found = [
      bottom({"params": params, "stats": stats}, own, train, start, stop)
      for params, stats, own in zip(
        variables["params"], variables["stats"], x, strict=True
      )
    ]
    h, stats = zip(*found, strict=True)
    return h, stats

  return every


def cross_entropy(
  logits: Float[Array, "batch classes"],
  targets: Int[Array, " batch"] | Float[Array, "batch classes"],
) -> Float[Array, ""]:
  """Mean cross entropy in nats; labels `[n]` or distributions `[n, c]`."""
  log_probabilities = jax.nn.log_softmax(logits)
  if targets.ndim == 1:
    targets = jax.nn.one_hot(targets, logits.shape[-1], dtype=logits.dtype)
  return -jnp.mean(jnp.sum(targets * log_probabilities, -1))


def exchange(
  net: Net,
  variables: PyTree,
  inputs: Sequence[PyTree],
  targets: jax.Array,
  transmit: Callable[[tuple], tuple] | None = None,
):
  """One round of the protocol, up to the gradients coming down.

  Args:
    net: the split model.
    variables: of all parties.
    inputs: features per party.
    targets: labels or soft targets.
    transmit: what is sent in the place of the embeddings; None is the honest
      protocol.

  Returns:
    `(messages, pulls, top_gradient, stats, metrics)`: what travelled; per
    party the function that turns its cut gradient into the gradient of its
    parameters; the top's gradient; new normalisation statistics; the loss
    (nats) and the logits.
  """
  embeddings, pulls, bottom_stats = [], [], []
  for k, x in enumerate(inputs):
    h, pull, stats = party_forward(net, variables["bottoms"][k], x)
    embeddings.append(h)
    pulls.append(pull)
    bottom_stats.append(stats)
  sent = tuple(embeddings)
  if transmit is not None:
    sent = transmit(sent)
  top_gradient, gradients, top_stats, metrics = active_step(
    net, variables["top"], sent, targets
  )
  messages = types.Messages(sent, gradients)
  stats = {"bottoms": tuple(bottom_stats), "top": top_stats}
  return messages, tuple(pulls), top_gradient, stats, metrics


def party_forward(net: Net, variables: PyTree, x: PyTree):
  """A party's half of a round: `(h, pull, stats)`; h is all that leaves it."""

  def forward(params):
    return net.bottom({**variables, "params": params}, x, train=True)

  h, pull, stats = jax.vjp(forward, variables["params"], has_aux=True)
  return h, lambda gradient: pull(gradient)[0], stats


def active_step(net: Net, variables: PyTree, embeddings, targets):
  """The active party's half: its gradient, the messages down, its metrics.

  At cut 0 raw slices came up and nothing goes down: a tuple of None.
  """

  def objective(params, embeddings):
    logits, stats = net.top(
      {**variables, "params": params}, embeddings, train=True
    )
    return net.loss(logits, targets), (stats, logits)

  args = (variables["params"], embeddings)
  if net.cut:
    (loss, (stats, logits)), (gradient, messages) = jax.value_and_grad(
      objective, argnums=(0, 1), has_aux=True
    )(*args)
  else:
    (loss, (stats, logits)), gradient = jax.value_and_grad(
      objective, has_aux=True
    )(*args)
    messages = (None,) * len(embeddings)
  return gradient, messages, stats, (loss, logits)


def _init(chain, key, x, party):
  params, stats = {}, {}
  for stage in chain:
    variables, x = stages.init(stage, rng.stream(key, stage.name), x, party)
    params[stage.name] = variables["params"]
    stats[stage.name] = variables["stats"]
  return {"params": params, "stats": stats}, x


def _run(chain, variables, x, train):
  outputs, stats = [x], {}
  for stage in chain:
    at_stage = {c: variables[c][stage.name] for c in ("params", "stats")}
    x, stats[stage.name] = stages.apply(stage, at_stage, x, train)
    outputs.append(x)
  return outputs, stats
