"""What travels between parties, and what of it is recorded."""

from typing import Any
from typing import NamedTuple

import jax

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

  Each name is a field of `attacks.base.Recorded`, or of `Averages`.

  Attributes:
    rows: per party, by name what has a row for each of the batch: the
      "gradients" that came down, defended, and the "embeddings" it sent.
    step: per party, by name what it knows of the whole step: the "gradients"
      of its own weights, and "bottoms", its variables before the step.
    announced: by name what all parties are told of each row of the batch:
      "pairs", a `base.Pairs` of training rows, where samples were mixed.
  """

  rows: tuple[dict[str, PyTree], ...]
  step: tuple[dict[str, PyTree], ...]
  announced: dict[str, PyTree]


class Release(NamedTuple):
  """Under what the gradients are taken that go down.

  Attributes:
    weights: of the classes, `[n, classes]`, in which the loss is linear.
    passive: parties they go to, the first ones; None for all.
  """

  weights: jax.Array
  passive: int | None = None
