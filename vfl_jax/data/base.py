"""What a data set is, once it is read."""

from typing import Any, NamedTuple

import numpy as np


class Header(NamedTuple):
  """What is known of a data set before it is read.

  Attributes:
    name: as in the config.
    modality: one of `partition.MODALITIES`: "image", "table" or "text".
    rows: number of samples in the training file (before validation is carved).
    columns: units a vertical partition can hand out (image columns, table
      columns, tokens).
    num_classes: number of distinct labels.
  """

  name: str
  modality: str
  rows: int
  columns: int
  num_classes: int


class Examples(NamedTuple):
  """One split: `inputs` whole as read, a tuple over parties once partitioned.

  `ids` are the sample identifiers both sides align on.
  """

  inputs: Any
  labels: np.ndarray
  ids: np.ndarray


class Dataset(NamedTuple):
  """Train, validation and test examples with what the models must know.

  Attributes:
    vocabulary: per party, the number of distinct integer ids in its inputs (0
      for purely numeric inputs).
    notes: sentences the report repeats (unmatched rows, dropped columns).
  """

  name: str
  modality: str
  num_classes: int
  train: Examples
  validation: Examples
  test: Examples
  vocabulary: tuple[int, ...] = ()
  notes: tuple[str, ...] = ()
