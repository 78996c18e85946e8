"""Model completion: train a head on the trained bottom from a few labels.

Source: Fu et al., "Label Inference Attacks Against Vertical Federated
Learning", USENIX Security 2022.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import completion_network
from vfl_jax.attacks import completion_runs
from vfl_jax.attacks import semi_supervised
from vfl_jax.config import bounds
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

PUBLISHED_STEPS = 25600
LEARNING_RATE = 2e-3  # for the published number of iterations
SHIFT = 0.125  # share of height and width; no label depends on such a shift
LOOKS = 10  # looks during the training, for an oracle
_TUNED = "finetuned"


class Variant(NamedTuple):
  """One way to complete the model.

  Attributes:
    bottom: "frozen" (its embeddings are the features) or "finetuned".
    depth: depth of the head; 0 is linear, 1 the published completion layer,
      -1 as many layers as there are stages above the cut, whose number the
      adversary knows.
    unlabelled: weight of the unlabelled loss relative to the published one.
  """

  bottom: str
  depth: int
  unlabelled: float

  @property
  def name(self) -> str:
    head = "linear" if not self.depth else f"depth {self.depth}"
    if self.depth == -1:
      head = "as deep as what is missing"
    weight = (
      "" if self.unlabelled == 1 else f", unlabelled x{self.unlabelled:g}"
    )
    return f"{self.bottom}, {head}{weight}"


VARIANTS = (
  Variant("frozen", 0, 1.0),
  Variant("frozen", 0, 0.1),
  Variant("frozen", 1, 1.0),
  Variant("finetuned", 1, 1.0),
)


def passive_completion(
  *,
  steps: int = PUBLISHED_STEPS,
  batch: int = 16,
  learning_rate: float = 0.0,
  folds: int = 2,
  variants: Sequence[tuple[str, int, float]] = VARIANTS,
  mixing: Literal["", "mixmatch", "mixtext"] = "",
  shift: float = 0.0,
  oracle: bool = False,
) -> base.Attack:
  """Completes the bottom with a semi-supervised head; keeps the best variant.

  The variant is chosen by cross-validation on the auxiliary labels. The last
  exponential average of the weights predicts. Nothing else is chosen.

  Args:
    steps: iterations of each variant (published: 25 x 1024).
    batch: labelled rows per iteration, and as many unlabelled ones.
    learning_rate: learning rate of Adam; 0 is the published 2e-3 times the
      square root of 25,600 / steps, at most 2e-2, so that a short run
      converges too.
    folds: number of cross-validation folds; with one auxiliary label per class
      there is nothing to hold out, and the first variant is taken.
    variants: `Variant`s, or tuples of their fields. Variants that fine-tune
      are left out where there is nothing to tune, unless there are no others.
    mixing: "mixmatch", "mixtext" (hidden states are mixed, at a stage drawn
      from the upper half of the bottom), or empty: the method that fits the
      data.
    shift: images that fine-tuning trains on are shifted at random, by at most
      this share of their height and width; 0 leaves them as they are.
    oracle: whether to offer every variant at ten points of its training, so
      that an oracle that sees the labels may choose among them.

  Raises:
    ValueError: there is no variant, a variant does not exist, or a value is
      out of its range.
  """
  bounds.at_least(
    "passive_completion",
    {"steps": 1, "batch": 1, "learning_rate": 0, "folds": 2, "shift": 0},
    locals(),
  )
  variants = _checked(variants)
  if not learning_rate:
    scale = max(1.0, PUBLISHED_STEPS / steps) ** 0.5
    learning_rate = min(LEARNING_RATE * scale, 2e-2)

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    rule = _rule(mixing, view)
    draws = semi_supervised.draw(
      rng.stream(key, "mixing"),
      rule,
      steps=steps,
      batch=batch,
      unlabelled=trees.rows(view.shared.train) - len(view.trial.aux_rows),
    )
    training = {
      "rule": rule,
      "draws": draws,
      "learning_rate": learning_rate,
      "shift": shift,
      "looks": min(LOOKS, steps) if oracle else 1,
    }
    possible = _possible(variants, view)
    runs = _runs(key, view, variants, possible, folds, training)
    return _chosen(possible, runs, oracle)

  return base.Attack(
    frozenset({"auxiliary"}),
    infer,
    budget=(
      f"{steps} iterations of batch {batch} for each of {len(variants)} "
      f"variants, one chosen by {folds}-fold cross-validation on the "
      "auxiliary labels"
    ),
    names={"variant": [v.name for v in variants]},
  )


def _checked(variants) -> tuple[Variant, ...]:
  """The variants, or a ValueError if there is none or one does not exist."""
  if not variants:
    raise ValueError(
      "attack 'passive_completion': variants is empty; give at least one."
    )
  variants = tuple(Variant(*v) for v in variants)
  for variant in variants:
    if (
      variant.bottom not in ("frozen", _TUNED)
      or variant.depth < -1
      or variant.unlabelled < 0
    ):
      raise ValueError(
        f"variant {tuple(variant)} is not (frozen|finetuned, depth >= -1, "
        "unlabelled weight >= 0)."
      )
  return variants


def _possible(variants, view) -> list[int]:
  """Numbers of the variants that the bottom allows; all if there are none."""
  tuned = completion_network.tunable(view)
  possible = [i for i, v in enumerate(variants) if tuned or v.bottom != _TUNED]
  return possible or [*range(len(variants))]


def _rule(mixing, view) -> semi_supervised.Rule:
  """The rule that is asked for, or the one that fits the data."""
  text = all(
    np.issubdtype(a.dtype, np.integer)
    for a in jax.tree.leaves(view.shared.train)
  )
  if mixing == "mixtext" or (not mixing and text):
    return semi_supervised.MIXTEXT
  return semi_supervised.MIXMATCH


def _runs(
  key, view, variants, possible, folds, training
) -> list[completion_runs.Run]:
  """The possible variants, trained; those of one network train together."""
  groups: dict[tuple[str, int], list[int]] = {}
  for i in possible:
    groups.setdefault(variants[i][:2], []).append(i)
  runs: dict[int, completion_runs.Run] = {}
  for (bottom, depth), members in groups.items():
    weights = [variants[i].unlabelled for i in members]
    group = completion_runs.train(
      key, view, bottom == _TUNED, depth, weights, folds, training
    )
    runs |= {i: trees.take(group, j) for j, i in enumerate(members)}
  return [runs[i] for i in possible]


def _chosen(possible, runs, oracle) -> base.Inference:
  """Predictions of the variant that is best on held-out samples."""
  score = jnp.stack([r.validation for r in runs])
  # a variant that diverged is chosen only if all of them did
  best = jnp.argmax(jnp.nan_to_num(score, nan=-1.0))
  choices = None
  if oracle:
    choices = tuple(
      jnp.concatenate([getattr(r, where) for r in runs])
      for where in ("train", "test")
    )
  return base.Inference(
    train=jnp.stack([r.train[-1] for r in runs])[best],
    test=jnp.stack([r.test[-1] for r in runs])[best],
    details={
      "variant": jnp.asarray(possible)[best],
      "validation": score[best],
    },
    choices=choices,
  )
