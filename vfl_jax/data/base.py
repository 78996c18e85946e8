"""Types of data sets: header, examples of a split, the whole."""

from typing import Any, NamedTuple

import numpy as np


class Header(NamedTuple):
  """What is known about a data set before it is read.

  Attributes:
    name: name in the config.
    modality: one of `partition.MODALITIES`: "image", "table" or "text".
    rows: number of training samples, before validation rows are split off.
    columns: number of units that a vertical partition can distribute (image
      columns, table columns, tokens).
    num_classes: number of distinct labels.
  """

  name: str
  modality: str
  rows: int
  columns: int
  num_classes: int


class Examples(NamedTuple):
  """The examples of one split.

  Attributes:
    inputs: features as read; once partitioned, a tuple with one tree per party.
    labels: class numbers, `[n]`.
    ids: sample identifiers by which the parties align their rows, `[n]`.
  """

  inputs: Any
  labels: np.ndarray
  ids: np.ndarray


class Dataset(NamedTuple):
  """Train, validation and test examples, with what the models must know.

  Attributes:
    name: name of the data set.
    modality: one of `partition.MODALITIES`.
    num_classes: number of classes of the labels.
    train: training examples.
    validation: validation examples.
    test: test examples.
    vocabulary: number of distinct integer ids in each party's inputs (0 for
      purely numeric inputs).
    notes: sentences that the report repeats (unmatched rows, dropped columns).
  """

  name: str
  modality: str
  num_classes: int
  train: Examples
  validation: Examples
  test: Examples
  vocabulary: tuple[int, ...] = ()
  notes: tuple[str, ...] = ()
