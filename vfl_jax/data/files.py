"""Reads the user's own data: Parquet, CSV or npz, one file or one per party."""

from collections.abc import Mapping
import pathlib
from typing import Any

import numpy as np
import pandas as pd

from vfl_jax.config import registry
from vfl_jax.data import base
from vfl_jax.data import raw


class Files:
  """Reads `data.path`: one file, or one per party joined on column `data.id`.

  Several paths are a tuple, or one string with commas between them.

  If there is a column `data.split` with the values train and test, it is the
  official split. If `data.text` names a column, the data set is one of texts.
  An npz file holds arrays `[n, ...]`: the label under `data.label`, and
  features under any other name (several arrays are one per party).

  Raises:
    ValueError: one of several files is an npz.
  """

  def __init__(self, config: Mapping[str, Any]):
    paths = config["path"]
    paths = paths.split(",") if isinstance(paths, str) else list(paths)
    self.paths = [pathlib.Path(p).expanduser() for p in paths]
    self.name = self.paths[0].stem
    self.label, self.id = config["label"], config["id"]
    self.split, self.text = config["split"], config["text"]
    self.drop = tuple(config["drop"])
    self.active_features = config["active_features"]
    if len(self.paths) > 1 and any(p.suffix == ".npz" for p in self.paths):
      raise ValueError(
        "several files are joined on an id column, which an npz has not; give "
        "one npz with an array per party, or Parquet or CSV files."
      )

  def describe(self) -> base.Header:
    """The header; Parquet and CSV files are read in part, npz as a whole.

    Raises:
      FileNotFoundError: a path is not a file.
      ValueError: the format is unknown, or a column or array is missing.
    """
    for path in self.paths:
      if not path.is_file():
        raise FileNotFoundError(
          f"data.path {str(path)!r} is not a file; give a Parquet, CSV or npz "
          "file."
        )
    if self.paths[0].suffix == ".npz":
      whole = self.read()
      if whole.modality == "image":
        columns = whole.inputs.shape[2]
      else:
        columns = whole.inputs.shape[1]
      classes = len(np.unique(whole.labels))
      return base.Header(
        self.name, whole.modality, len(whole.labels), columns, classes
      )
    columns = [c for p in self.paths for c in _columns(p)]
    self._check(columns)
    holder = next(p for p in self.paths if self.label in _columns(p))
    wanted = [c for c in (self.label, self.split) if c in _columns(holder)]
    frame = _frame(holder, wanted)
    rows = len(frame)
    if self.split in frame:
      rows = int((frame[self.split] == "train").sum())
    classes = frame[self.label].dropna().nunique()
    kind = "text" if self.text else "table"
    features = self._features(columns)
    return base.Header(
      self.name, kind, rows, 0 if self.text else len(features), classes
    )

  def read(self) -> raw.Raw:
    """The whole data set, joined on the id if there are several files.

    Raises:
      ValueError: a column or array is missing, a split has other values than
        train and test, or the files cannot be joined.
    """
    if self.paths[0].suffix == ".npz":
      return self._read_npz()
    frames = [_frame(p) for p in self.paths]
    self._check([c for f in frames for c in f.columns])
    notes, owners, ids = [], (), None
    whole = frames[0]
    if len(frames) > 1:
      whole, owners = self._join(frames, notes)
    missing = whole[self.label].isna()
    if missing.any():
      notes.append(f"{int(missing.sum())} rows without a label were dropped")
      whole = whole[~missing]
    whole = whole.reset_index(drop=True)
    official = None
    if self.split in whole:
      official = whole[self.split].to_numpy()
      if not set(official) <= {"train", "test"}:
        raise ValueError(
          f"column {self.split!r} holds "
          f"{sorted(set(map(str, official)))[:5]}; a split "
          "column holds only 'train' and 'test'; name another column with "
          "data.split."
        )
      if "test" not in official:
        official = None
    if self.id:
      ids = whole[self.id].to_numpy()
    labels = whole[self.label].to_numpy()
    if self.text:
      inputs = whole[self.text].astype(str).to_numpy(object)
      return raw.Raw(
        self.name, "text", inputs, labels, official, (), tuple(notes), ids
      )
    dropped = [c for c in self.drop if c in whole]
    notes += [f"column {c} was dropped (data.drop)" for c in dropped]
    inputs = whole[self._features(whole.columns)]
    return raw.Raw(
      self.name, "table", inputs, labels, official, owners, tuple(notes), ids
    )

  def _features(self, columns):
    other = {self.label, self.id, self.split, *self.drop}
    return [c for c in dict.fromkeys(columns) if c not in other]

  def _check(self, columns):
    named = {"label": self.label}
    named |= {"id": self.id} if self.id or len(self.paths) > 1 else {}
    named |= {"text": self.text} if self.text else {}
    for key, column in named.items():
      if column not in columns:
        raise ValueError(
          registry.unknown(f"column data.{key}", column, set(columns))
        )

  def _join(self, frames, notes):
    """Joins the files on the id (inner join) and notes the unmatched rows.

    Returns:
      `(frame, owners)`, where owners are the feature columns of each file.
    """
    owners, last, shared = [], [], None
    for path, frame in zip(self.paths, frames, strict=True):
      if self.id not in frame:
        raise ValueError(
          f"{path} has no id column {self.id!r} to join on; its columns are "
          f"{', '.join(map(str, frame.columns[:8]))}."
        )
      if frame[self.id].duplicated().any():
        raise ValueError(
          f"{path}: {int(frame[self.id].duplicated().sum())} values of the "
          f"id column {self.id!r} occur twice; ids must be unique."
        )
      features = tuple(self._features(frame.columns))
      if self.label in frame and features and not self.active_features:
        raise ValueError(
          f"{path} holds the label, so its features {features[:3]} are the "
          "active party's; set data.active_features=True and count that party "
          "in data.parties, or remove the features."
        )
      # the active party's features come last
      (last if self.label in frame else owners).append(features)
      ids = set(frame[self.id])
      shared = ids if shared is None else shared & ids
    owners += last
    seen = set()
    for columns in owners:
      if seen & set(columns):
        raise ValueError(
          f"columns {sorted(seen & set(columns))} are in more than one file; "
          "each column must belong to one party, so rename or remove them."
        )
      seen |= set(columns)
    whole = frames[0]
    for frame in frames[1:]:
      whole = whole.merge(frame, on=self.id, how="inner")
    for path, frame in zip(self.paths, frames, strict=True):
      lost = len(frame) - len(whole)
      notes.append(f"{lost} of {len(frame)} rows of {path.name} have no match")
    if whole.empty:
      raise ValueError(
        f"no value of the id column {self.id!r} is in all of the files, so no "
        "row is left; name the right column with data.id."
      )
    return whole, tuple(o for o in owners if o)

  def _read_npz(self):
    with np.load(self.paths[0]) as arrays:
      contents = {k: arrays[k] for k in arrays.files}
    if self.label not in contents:
      raise ValueError(
        registry.unknown("array data.label", self.label, contents)
      )
    labels = contents.pop(self.label)
    official = contents.pop(self.split, None)
    ids = contents.pop(self.id, None) if self.id else None
    for name, array in contents.items():
      if len(array) != len(labels):
        raise ValueError(
          f"array {name!r} has {len(array)} rows and the label has "
          f"{len(labels)}; they must be equal."
        )
    if not contents:
      raise ValueError(
        f"{self.paths[0]} holds a label but no features; add an array of them."
      )
    arrays = list(contents.values())
    if all(a.ndim == 4 for a in arrays):
      images = np.concatenate(arrays, axis=2)
      widths = tuple(a.shape[2] for a in arrays) if len(arrays) > 1 else ()
      return raw.Raw(
        self.name, "image", images, labels, official, widths, ids=ids
      )
    columns, owners = [], []
    for name, array in contents.items():
      array = array.reshape(len(array), -1)
      names = tuple(f"{name}_{i}" for i in range(array.shape[1]))
      owners.append(names)
      columns.append(pd.DataFrame(array, columns=list(names)))
    frame = pd.concat(columns, axis=1)
    owned = tuple(owners) if len(owners) > 1 else ()
    return raw.Raw(self.name, "table", frame, labels, official, owned, ids=ids)


def _columns(path: pathlib.Path) -> list[str]:
  if path.suffix == ".parquet":
    import pyarrow.parquet

    return list(pyarrow.parquet.read_schema(path).names)
  if path.suffix == ".csv":
    return list(pd.read_csv(path, nrows=0).columns)
  raise ValueError(
    f"data.path {str(path)!r} ends in {path.suffix!r}; take a .parquet, .csv "
    "or .npz file."
  )


def _frame(path: pathlib.Path, columns=None) -> pd.DataFrame:
  if path.suffix == ".parquet":
    return pd.read_parquet(path, columns=columns)
  return pd.read_csv(path, usecols=columns)
