"""A party sends another sample's embedding and observes what comes down.

Source: Bai et al., "VILLAIN", USENIX Security 2023, section 4.1.
"""

from typing import Any

import jax
import jax.numpy as jnp

from vfl_jax.attacks import base
from vfl_jax.attacks import views
from vfl_jax.runtime import trees


def embedding_swap(
  *, every: int = 2, ratio: float = 0.0, largest: float = 0.0
) -> base.Attack:
  """Picks the class whose known embedding gives the smallest gradient.

  In epochs after the training, the adversary replaces the embeddings of some
  of its rows by the embedding of a known sample, of another class each time.
  It compares the norm of the gradient with the norm in an honest epoch. Each
  norm is in units of the mean norm of the unchanged rows of its epoch.

  Args:
    every: in each epoch, one row in `every` is swapped; every row has met
      every class after `every` times the number of classes epochs.
    ratio: a class is accepted if the norm is at most this share of the honest
      norm; rows without an accepted class get no answer. 0: every row is
      given the class with the smallest norm.
    largest: a class is accepted if the norm is at most this many times the
      mean honest norm; 0: no such condition.

  Raises:
    ValueError: `every` is below 1, or a threshold is negative.

  Source: Bai et al. 2023, section 4.1, which tests one class; testing several
  classes is ours.
  """
  if every < 1 or ratio < 0 or largest < 0:
    raise ValueError(
      f"attack 'embedding_swap': every is {every}, ratio is {ratio}, largest "
      f"is {largest}; they must be at least 1, 0 and 0."
    )

  def send(h, aux_embeddings, rows, turn):
    def leaf(honest, by_class):
      swapped, given = _plan(every, rows, turn, len(by_class))
      swapped = swapped.reshape(-1, *(1,) * (honest.ndim - 1))
      return jnp.where(swapped, by_class[given], honest)

    return jax.tree.map(leaf, h, aux_embeddings)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    del key
    rows = jnp.asarray(view.shared.recorded_rows)
    norms = [
      jnp.linalg.norm(trees.vectors(epoch.gradients), axis=1)
      for epoch in views.epochs(view)
    ]
    honest = norms[0] / jnp.nanmean(norms[0])
    tested = _tested(every, norms, rows, view.public.num_classes)
    # a class that a row never met (the end of a permutation is dropped) counts
    # as the least likely
    missing = jnp.isnan(tested)
    worst = jnp.max(jnp.where(missing, -jnp.inf, tested), 1, keepdims=True)
    scores = -jnp.where(missing, worst, tested)
    answered = ~missing.all(1)
    smallest = jnp.min(jnp.where(missing, jnp.inf, tested), 1)
    if ratio:
      answered &= smallest <= ratio * honest
    if largest:
      answered &= smallest <= largest
    scores = jnp.where(answered[:, None], scores, jnp.nan)
    return base.Inference(
      scores, None, rows=rows, details={"spoken of": answered.mean()}
    )

  return base.Attack(
    frozenset({"gradients", "auxiliary"}),
    infer,
    f"an honest epoch and {every} for each class, one row in {every} swapped "
    "with one known sample of a class",
    send=send,
    turns=lambda classes: 1 + every * classes,
    abstains=ratio > 0 or largest > 0,
    epochs=0,
  )


def _plan(every, rows, turn, classes) -> tuple[Any, Any]:
  """Which rows are swapped in a turn, and the class of the new embedding."""
  swapped = (turn > 0) & ((rows + turn) % every == 0)
  return swapped, (rows // every + (turn - 1) // every) % classes


def _tested(every, norms, rows, classes) -> jax.Array:
  """Norms of the swapped rows, `[rows, classes]`; NaN where none was met.

  `norms` has those of the honest epoch first, then those of each turn.
  """
  tested = jnp.full((len(rows), classes), jnp.nan)
  for turn, norm in enumerate(norms[1:], 1):
    swapped, given = _plan(every, rows, turn, classes)
    # the top keeps training: norms are in units of those of unchanged rows
    alone = jnp.nanmean(jnp.where(swapped, jnp.nan, norm))
    norm = norm / jnp.where(jnp.isnan(alone), jnp.nanmean(norm), alone)
    is_given = jax.nn.one_hot(given, classes, dtype=bool)
    tested = jnp.where(is_given & swapped[:, None], norm[:, None], tested)
  return tested
