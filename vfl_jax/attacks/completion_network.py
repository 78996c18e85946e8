"""The network that completion trains: a head, and optionally the bottom."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import semi_supervised
from vfl_jax.models import heads
from vfl_jax.runtime import axes
from vfl_jax.runtime import trees

ROWS = 500  # per block when embedding and predicting


def tunable(view: base.View) -> bool:
  """Whether the bottom has a stage beyond the one that embeds ids."""
  return view.public.cut > int(trees.has_ids(view.shared.train))


def on(
  key: jax.Array,
  view: base.View,
  finetuned: bool,
  depth: int,
  rule: semi_supervised.Rule,
) -> tuple[semi_supervised.Network, Any]:
  """Puts an untrained head on the bottom.

  Args:
    key: random key of the head's first weights.
    view: view that holds the bottom.
    finetuned: whether the bottom is trained too, where there is one to tune.
    depth: depth of the head, see `heads.head`; -1 is as many layers as there
      are stages above the cut.
    rule: rule of the training, which decides where samples are mixed.

  Returns:
    The network, and its inputs: all training rows, then the test rows.
  """
  bottom = _tuned(view, rule) if finetuned and tunable(view) else _frozen(view)
  if depth == -1:
    depth = len(view.public.stages) - view.public.cut
  init, apply = heads.head(view.public.num_classes, depth)
  variables, place = bottom.variables, bottom.places[0]
  width = jax.eval_shape(
    lambda x: bottom.encode(
      variables, bottom.embed(variables, x, False, place), False, place
    )[0],
    trees.take(bottom.rows, np.arange(2)),
  ).shape[1]
  head = init(key, jnp.zeros((2, width)))

  def of(module, parameters, stats):
    return {"params": parameters[module], "stats": stats[module]}

  def lower(stop):
    def run(parameters, stats, x, is_training):
      values = of("bottom", parameters, stats)
      return bottom.embed(values, x, is_training, stop)

    return run

  def upper(stop):
    def run(parameters, stats, mixed, is_training):
      values = of("bottom", parameters, stats)
      h, bottom_stats = bottom.encode(values, mixed, is_training, stop)
      logits, head_stats = apply(of("head", parameters, stats), h, is_training)
      return logits, {"bottom": bottom_stats, "head": head_stats}

    return run

  network = semi_supervised.Network(
    {"bottom": variables["params"], "head": head["params"]},
    {"bottom": variables["stats"], "head": head["stats"]},
    [lower(stop) for stop in bottom.places],
    [upper(stop) for stop in bottom.places],
  )
  return network, bottom.rows


class _Bottom(NamedTuple):
  """The bottom in two halves, between which samples are mixed.

  Attributes:
    variables: its variables before training.
    rows: its inputs: all training rows, then the test rows.
    places: stages after which samples may be mixed.
    embed: `embed(variables, x, train, place) -> hidden`.
    encode: `encode(variables, hidden, train, place) -> (vectors, stats)`.
  """

  variables: Any
  rows: Any
  places: list[int]
  embed: Callable[..., Any]
  encode: Callable[..., tuple[jax.Array, Any]]


def _rows(view):
  return jax.tree.map(
    lambda *a: jnp.concatenate(a), view.shared.train, view.shared.test
  )


def _tuned(view, rule) -> _Bottom:
  """The bottom itself, to be trained on."""
  public = view.public
  # ids cannot be mixed: mix their embeddings, or the output of a later stage
  places = [int(trees.has_ids(view.shared.train))]
  if not rule.squared:
    places = [*range(max(1, public.cut // 2), public.cut)] or places

  def embed(variables, x, is_training, stop):
    if not stop:
      return x
    return public.bottom(variables, x, train=is_training, stop=stop)[0]

  def encode(variables, x, is_training, stop):
    h, stats = public.bottom(variables, x, train=is_training, start=stop)
    return trees.vectors(h), stats

  return _Bottom(view.trial.bottom, _rows(view), places, embed, encode)


def _frozen(view) -> _Bottom:
  """No bottom: its embeddings are the inputs."""
  public = view.public
  # at cut 0 there is no bottom: use the raw features, with ids as counts
  ids = trees.has_ids(view.shared.train)
  height = public.vocabulary if not public.cut and ids else 0
  rows = axes.chunked(
    lambda x: trees.vectors(public.bottom(view.trial.bottom, x)[0], height),
    _rows(view),
    ROWS,
  )
  return _Bottom(
    {"params": {}, "stats": {}},
    rows,
    [0],
    lambda variables, x, is_training, stop: x,
    lambda variables, x, is_training, stop: (x, {}),
  )
