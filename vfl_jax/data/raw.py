"""What a reader returns, and its split into train, validation and test."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from vfl_jax.data import base


class Raw(NamedTuple):
  """A data set as read.

  Attributes:
    name: name of the data set.
    modality: "image", "table" or "text".
    inputs: uint8 images `[n, h, w, c]`, float rows `[n, d]`, a DataFrame, or
      an array of strings.
    labels: labels of any type; the classes are their sorted distinct values.
    official: "train" or "test" for each row, or None without such a split.
    owners: the columns of each party (for images, their number) if each file
      or array belongs to one party; else empty.
    notes: sentences for the report.
    ids: sample identifiers, or None to use the row numbers.
  """

  name: str
  modality: str
  inputs: Any
  labels: np.ndarray
  official: np.ndarray | None = None
  owners: tuple = ()
  notes: tuple[str, ...] = ()
  ids: np.ndarray | None = None


class Source(Protocol):
  """A reader of a data set.

  `describe` returns the header, without the data if the format allows it;
  `read` returns the whole data set.

  Raises:
    ValueError: the data lack what the config names, or are inconsistent.
    FileNotFoundError: the data are not there.
  """

  def describe(self) -> base.Header: ...

  def read(self) -> Raw: ...


def official(values: np.ndarray, name: str) -> np.ndarray | None:
  """The official split, "train" or "test" a row; None if nothing is for test.

  Args:
    values: what the column of that name holds.
    name: of the column or array.

  Raises:
    ValueError: it holds anything else.
  """
  held = sorted(set(map(str, values)))
  if not set(held) <= {"train", "test"}:
    raise ValueError(
      f"{name!r} holds {held[:5]}; a split holds only 'train' and 'test'. Name "
      "another column with data.split."
    )
  if held == ["test"]:
    raise ValueError(
      f"{name!r} holds only 'test'; rows to train on are 'train'."
    )
  return values if "test" in held else None


def rows_of(inputs: Any, index: np.ndarray) -> Any:
  """The given rows of an array or data frame."""
  if isinstance(inputs, pd.DataFrame):
    return inputs.iloc[index].reset_index(drop=True)
  return inputs[index]


def splits(
  whole: Raw, config: Mapping[str, Any], generator: np.random.Generator
) -> tuple[Raw, base.Dataset]:
  """Splits into train, validation and test, stratified by class.

  The official test split is kept if there is one; otherwise a share `data.test`
  is drawn. Validation is a share `data.validation` of the training rows.
  `data.train_size`, `data.validation_size` and `data.test_size` then take
  subsets; 0 keeps all rows.

  Args:
    whole: the data set as read.
    config: the `data` section of an experiment's config.
    generator: random generator of splits and subsets.

  Returns:
    The data set as read, and its splits.

  Raises:
    ValueError: there is only one class, a class has fewer than three samples,
      or a split has fewer rows than there are classes.
  """
  classes, labels = np.unique(whole.labels, return_inverse=True)
  counts = np.bincount(labels)
  if len(classes) < 2 or counts.min() < 3:
    rare = classes[counts.argmin()] if len(counts) else "none"
    raise ValueError(
      f"data set {whole.name!r} has {len(classes)} classes, the rarest ({rare})"
      f" with {min(counts, default=0)} samples; at least 2 classes of 3 "
      "samples are needed. Is data.label the label column? Merge or remove "
      "rare classes; put a measured quantity into a few bins."
    )
  notes = whole.notes + _odd_labels(classes)
  everything = np.arange(len(labels))
  if whole.official is None:
    train, test = _stratified(everything, labels, config["test"], generator)
  else:
    train = everything[whole.official == "train"]
    test = everything[whole.official == "test"]
  test = _subset(test, labels, config["test_size"], generator)
  train, validation = _stratified(
    train, labels, config["validation"], generator
  )
  train = _subset(train, labels, config["train_size"], generator)
  size = config["validation_size"]
  validation = _subset(validation, labels, size, generator)
  notes += _odd_split(whole, labels, classes, train, test)
  for name, index in (("test", test), ("validation", validation)):
    if len(index) < len(classes):
      raise ValueError(
        f"the {name} split has {len(index)} rows for {len(classes)} classes;"
        f" raise data.{name} or data.{name}_size."
      )
  ids = everything if whole.ids is None else whole.ids
  examples = [
    base.Examples(
      rows_of(whole.inputs, index),
      labels[index].astype(np.int32),
      ids[index],
    )
    for index in (train, validation, test)
  ]
  return whole, base.Dataset(
    whole.name, whole.modality, len(classes), *examples, notes=notes
  )


def _odd_labels(classes) -> tuple[str, ...]:
  """A note on classes that may be one."""
  if classes.dtype.kind == "f":
    near = np.flatnonzero(np.diff(classes) < 1e-6 * np.abs(classes[1:]))
    pairs = [(classes[i], classes[i + 1]) for i in near]
  else:
    first: dict[str, Any] = {}
    pairs = []
    for name in map(str, classes):
      other = first.setdefault(name.strip().lower(), name)
      pairs += [(other, name)] if other != name else []
  return tuple(
    f"the labels '{a}' and '{b}' hardly differ; they are two classes"
    for a, b in pairs[:3]
  )


def _odd_split(whole, labels, classes, train, test) -> tuple[str, ...]:
  """Notes on classes that a split lacks, and test rows that are trained on."""
  notes = []
  for name, index in (("training", train), ("test", test)):
    lacking = np.setdiff1d(np.arange(len(classes)), labels[index])
    if len(lacking):
      notes.append(
        f"no {name} row is of the classes {[*map(str, classes[lacking])][:5]}"
      )
  if isinstance(whole.inputs, pd.DataFrame):
    rows = pd.util.hash_pandas_object(whole.inputs, index=False).to_numpy()
    again = int(np.isin(rows[test], rows[train]).sum())
    if again:
      notes.append(
        f"{again} of {len(test)} test rows have the features of a training row"
      )
  return tuple(notes)


def _stratified(index, labels, share, generator):
  """`(rest, chosen)`, with a `share` of every class chosen; both shuffled."""
  index = generator.permutation(index)
  order = np.argsort(labels[index], kind="stable")
  y = labels[index][order]
  starts = np.searchsorted(y, np.unique(y))
  rank = np.arange(len(y)) - np.repeat(starts, np.diff([*starts, len(y)]))
  size = np.bincount(y)[y]
  # one row in 1/share, spread evenly over the shuffled rows of its class
  chosen = np.floor((rank + 1) * share + 1e-9) > np.floor(rank * share + 1e-9)
  chosen |= (size * share < 1) & (rank == 0) & (share > 0)
  return generator.permutation(index[order][~chosen]), index[order][chosen]


def _subset(index, labels, size, generator):
  if not size or size >= len(index):
    return index
  return _stratified(index, labels, size / len(index), generator)[1]
