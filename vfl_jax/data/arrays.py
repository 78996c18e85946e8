"""The user's own arrays: an npz with a label and features `[n, ...]`."""

import pathlib

import numpy as np
import pandas as pd

from vfl_jax.config import registry
from vfl_jax.data import raw

_LARGEST = float(np.finfo(np.float32).max)


def read(
  path: pathlib.Path, label: str, split: str, identifier: str
) -> raw.Raw:
  """Reads an npz; several arrays of features are one per party.

  Args:
    path: of the file.
    label: name of the array of labels, `[n]` or `[n, 1]`.
    split: name of the array with "train" and "test", if there is one.
    identifier: name of the array of sample ids; empty for none.

  Raises:
    ValueError: the file is damaged; an array is missing, of another shape, or
      holds values that cannot be trained on.
  """
  contents = _contents(path)
  if label not in contents:
    raise ValueError(registry.unknown("array data.label", label, contents))
  labels = _labels(contents.pop(label), label)
  notes = []
  official = contents.pop(split, None)
  ids = contents.pop(identifier, None) if identifier else None
  for name, array in contents.items():
    if not array.ndim or len(array) != len(labels):
      raise ValueError(
        f"array {name!r} is {array.shape} and the label has {len(labels)} "
        "rows; the first axis of every array is the rows."
      )
  if not contents:
    raise ValueError(
      f"{path} holds a label but no features; add an array of them."
    )
  if official is not None:
    official = raw.official(np.ravel(official), split)
  known = ~pd.isna(labels)
  if not known.all():
    notes.append(f"{int((~known).sum())} rows without a label were dropped")
    contents = {name: array[known] for name, array in contents.items()}
    labels = labels[known]
    official = None if official is None else official[known]
    ids = None if ids is None else ids[known]
  about = path.stem, labels, official, tuple(notes), ids
  if all(a.ndim == 4 for a in contents.values()):
    return _images(contents, *about)
  return _rows(contents, *about)


def _contents(path) -> dict[str, np.ndarray]:
  try:
    with path.open("rb") as file, np.load(file) as arrays:
      return {name: arrays[name] for name in arrays.files}
  except FileNotFoundError:
    raise
  except Exception as error:
    raise ValueError(
      f"{path} cannot be read ({str(error)[:200]}); it must be an npz of plain "
      "arrays, as numpy.savez writes them, without Python objects."
    ) from error


def _labels(labels, name):
  if labels.ndim == 2 and labels.shape[1] == 1:
    labels = labels[:, 0]
  if labels.ndim != 1:
    raise ValueError(
      f"array {name!r} is {labels.shape}; a label is one value a row, [n] or "
      "[n, 1]. Of one-hot rows take argmax(axis=1)."
    )
  return labels


def _images(contents, name, labels, official, notes, ids) -> raw.Raw:
  shapes = {k: a.shape for k, a in contents.items()}
  if len({(len(s), s[1], s[3:]) for s in shapes.values()}) > 1:
    raise ValueError(
      f"arrays {shapes} are not images of one height and number of channels; "
      "give [n, height, width, channels], only the width may differ."
    )
  for key, array in contents.items():
    _finite(key, array, "leave these images out")
  images = np.concatenate([*contents.values()], axis=2)
  widths = tuple(s[2] for s in shapes.values()) if len(shapes) > 1 else ()
  return raw.Raw(
    name, "image", images, labels, official, widths, notes, ids=ids
  )


def _rows(contents, name, labels, official, notes, ids) -> raw.Raw:
  columns, owners = [], []
  for key, array in contents.items():
    array = array.reshape(len(array), -1)
    if np.issubdtype(array.dtype, np.floating):  # what is missing may be NaN
      _finite(key, array[~np.isnan(array)], "leave them NaN, for missing")
    names = tuple(f"{key}_{i}" for i in range(array.shape[1]))
    owners.append(names)
    columns.append(pd.DataFrame(array, columns=list(names)))
  frame = pd.concat(columns, axis=1)
  owned = tuple(owners) if len(owners) > 1 else ()
  return raw.Raw(name, "table", frame, labels, official, owned, notes, ids)


def _finite(name, array, remedy):
  if not np.issubdtype(array.dtype, np.floating):
    return
  odd = ~np.isfinite(array) | (np.abs(array) > _LARGEST)
  if odd.any():
    raise ValueError(
      f"array {name!r} holds {int(odd.sum())} values that are NaN, infinite or "
      f"beyond float32 (the first: {array[odd].ravel()[0]}); {remedy}."
    )
