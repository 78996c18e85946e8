"""What travels between parties, and what of it is recorded."""

from typing import Any
from typing import NamedTuple

import jax

from vfl_jax.defenses import base

PyTree = Any


class Messages(NamedTuple):
  """What crosses between the parties in one step, each a tuple over parties.

  `embeddings` go up; `gradients` (of the mean loss with respect to each row of
  the embeddings) come down.
  """

  embeddings: tuple[PyTree, ...]
  gradients: tuple[PyTree, ...]


class Sent(NamedTuple):
  """What one step showed to the parties.

  Attributes:
    messages: as they were sent, defended.
    gradients: per party, of its own weights.
    bottoms: per party, its variables before the step.
    pairs: where samples were mixed, a `base.Pairs` of training rows.
  """

  messages: Messages
  gradients: tuple[PyTree, ...]
  bottoms: tuple[PyTree, ...]
  pairs: base.Pairs | None = None


class Release(NamedTuple):
  """Under what the gradients are taken that go down.

  Attributes:
    weights: of the classes, `[n, classes]`, in which the loss is linear.
    passive: parties they go to, the first ones; None for all.
  """

  weights: jax.Array
  passive: int | None = None
