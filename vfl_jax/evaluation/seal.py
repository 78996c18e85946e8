"""Seals the hidden labels while attacks run."""

from collections.abc import Iterable
import dataclasses

import jax
import numpy as np

from vfl_jax.federation import views
from vfl_jax.runtime import rng


class SealedError(RuntimeError):
  """Hidden labels were read before every attack had returned."""


@dataclasses.dataclass
class Sealed:
  """Labels that cannot be read until every expected attack has returned.

  Attributes:
    pending: names of the attacks that have not returned.
  """

  _labels: dict[str, np.ndarray]
  pending: set[str]

  def shares(self) -> np.ndarray:
    """Class shares of the training rows, `[classes]`, for the prior."""
    labels = self._labels["train"]
    return np.bincount(labels) / len(labels)

  def auxiliary(
    self, key: jax.Array, per_class: int, among: np.ndarray | None = None
  ) -> tuple[np.ndarray, np.ndarray]:
    """Draws the training rows whose labels an attacker knows.

    Args:
      key: random key.
      per_class: number of rows per class.
      among: rows to draw from; None for all training rows.

    Returns:
      `(rows, labels)`, grouped by class, `[classes * per_class]`.

    Raises:
      ValueError: a class has fewer than `per_class` + 1 such rows.
    """
    labels = self._labels["train"]
    generator = rng.generator(key)
    rows = []
    for label in range(int(labels.max()) + 1):
      members = np.flatnonzero(labels == label)
      if among is not None:
        members = np.intersect1d(members, among)
      if len(members) <= per_class:
        what = "training" if among is None else "recorded"
        raise ValueError(
          f"evaluate.aux_per_class is {per_class}, but class {label} has "
          f"{len(members)} {what} rows; take fewer, or record more rows "
          "with record.samples."
        )
      rows.append(generator.choice(members, per_class, replace=False))
    chosen = np.concatenate(rows)
    return chosen, labels[chosen]

  def returned(self, attack: str) -> None:
    """Marks an attack as done."""
    self.pending.discard(attack)

  def open(self, split_name: str) -> np.ndarray:
    """The labels of the split "train" or "test".

    Raises:
      SealedError: an attack has not returned.
    """
    if self.pending:
      raise SealedError(
        "labels are sealed until every attack has returned; waiting for "
        f"{sorted(self.pending)}."
      )
    return self._labels[split_name]


class Labels:
  """Sealed labels of one split, held by a federation under attack.

  Reading them in any way raises `SealedError` until every attack has returned.
  """

  def __init__(self, sealed: Sealed, split_name: str):
    self._sealed, self._name = sealed, split_name

  def __array__(self, dtype=None, copy=None) -> np.ndarray:
    return np.array(self._sealed.open(self._name), dtype)

  def __len__(self) -> int:
    return len(self._sealed.open(self._name))

  def __getitem__(self, index):
    return self._sealed.open(self._name)[index]


def close(federation: views.Federation, attacks: Iterable[str]) -> Sealed:
  """Seals the labels of a federation until the given attacks have returned."""
  data = federation.dataset
  labels = {"train": data.train.labels, "test": data.test.labels}
  return Sealed(labels, set(attacks))


def under(sealed: Sealed, federation: views.Federation) -> views.Federation:
  """The same federation, with labels that are readable only through the seal.

  Its validation labels are None.
  """
  data = federation.dataset
  splits = {
    name: getattr(data, name)._replace(labels=Labels(sealed, name))
    for name in ("train", "test")
  }
  hidden = data.validation._replace(labels=None)
  data = data._replace(validation=hidden, **splits)
  return dataclasses.replace(federation, dataset=data)
