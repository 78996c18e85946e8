"""The messages between parties, and the form in which they are recorded."""

from typing import Any
from typing import NamedTuple

import jax

PyTree = Any


class Messages(NamedTuple):
  """The messages of one step.

  Attributes:
    embeddings: what each party sends up, one tree per party.
    gradients: what comes down to each party: the gradient of the mean loss
      with respect to each row of its embeddings, one tree per party.
  """

  embeddings: tuple[PyTree, ...]
  gradients: tuple[PyTree, ...]


class Sent(NamedTuple):
  """What the parties saw in one step.

  Each key is a field of `attacks.base.Recorded` or of `attacks.base.Averages`.

  Attributes:
    rows: one dict per party of trees with one entry per row of the batch: the
      "gradients" that came down (after the defence) and the "embeddings" that
      the party sent.
    step: one dict per party of what it knows about the whole step: the
      "gradients" of its own weights, and "bottoms", its variables before the
      step.
    announced: a dict of what all parties are told about each row of the batch:
      "pairs", a `defenses.base.Pairs` of training rows, if samples were mixed.
  """

  rows: tuple[dict[str, PyTree], ...]
  step: tuple[dict[str, PyTree], ...]
  announced: dict[str, PyTree]


class Release(NamedTuple):
  """The class weights under which the gradients that go down are taken.

  Attributes:
    weights: class weights, `[n, classes]`; the loss is linear in them.
    passive: number of parties, the first ones, that receive these gradients;
      None for all.
  """

  weights: jax.Array
  passive: int | None = None
