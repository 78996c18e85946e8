"""The user's own data: tables or an npz, in one file or one per party."""

from collections.abc import Mapping
import pathlib
from typing import Any

import numpy as np

from vfl_jax.config import registry
from vfl_jax.config import schema
from vfl_jax.data import arrays
from vfl_jax.data import base
from vfl_jax.data import columns as data_columns
from vfl_jax.data import raw
from vfl_jax.data import reading


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
    self.kinds = [reading.kind(p) for p in self.paths]
    if len(self.paths) > 1 and "npz" in self.kinds:
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
    if self.kinds[0] == "npz":
      whole = self.read()
      if whole.modality == "image":
        columns = whole.inputs.shape[2]
      else:
        columns = whole.inputs.shape[1]
      classes = len(np.unique(whole.labels))
      return base.Header(
        self.name, whole.modality, len(whole.labels), columns, classes
      )
    columns = [c for p in self.paths for c in reading.columns(p)]
    self._check(columns)
    holder = next(p for p in self.paths if self.label in reading.columns(p))
    wanted = {self.label, self.split} & set(reading.columns(holder))
    frame = reading.table(holder, only=sorted(wanted)).frame
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
    if self.kinds[0] == "npz":
      return arrays.read(self.paths[0], self.label, self.split, self.id)
    read = [self._table(p) for p in self.paths]
    frames = [t.frame for t in read]
    notes = [note for t in read for note in t.notes]
    self._check([c for p in self.paths for c in reading.columns(p)])
    owners, ids = (), None
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
      official = raw.official(whole[self.split].to_numpy(), self.split)
    if self.id:
      ids = whole[self.id].to_numpy()
      again = int(whole[self.id].duplicated().sum())
      if again:
        notes.append(f"{again} rows repeat an id of column {self.id}")
    labels = whole[self.label].to_numpy()
    if self.text:
      texts = whole[self.text]
      if texts.isna().any():
        notes.append(f"{int(texts.isna().sum())} texts are missing: empty ones")
      inputs = texts.fillna("").astype(str).to_numpy(object)
      return raw.Raw(
        self.name, "text", inputs, labels, official, (), tuple(notes), ids
      )
    notes += [f"column {c} was dropped (data.drop)" for c in self.drop]
    inputs = whole[self._features(whole.columns)]
    return raw.Raw(
      self.name, "table", inputs, labels, official, owners, tuple(notes), ids
    )

  def _features(self, columns):
    other = {self.label, self.id, self.split, *self.drop}
    return [c for c in dict.fromkeys(columns) if c not in other]

  def _table(self, path) -> reading.Table:
    """A file, with identifiers as text, and without rows that lack one."""
    texts = [c for c in (self.id, self.text) if c]
    only = [c for c in reading.columns(path) if c not in self.drop]
    frame, notes = reading.table(path, texts, only if self.drop else ())
    if self.id in frame:
      frame[self.id] = data_columns.identifiers(frame[self.id])
      missing = frame[self.id].isna()
      if missing.any():
        frame = frame[~missing]
        count = int(missing.sum())
        notes += (f"{count} rows of {path.name} without an id were dropped",)
    return reading.Table(frame, notes)

  def _check(self, columns):
    named = [("label", self.label), *(("drop", c) for c in self.drop)]
    named += [("id", self.id)] if self.id or len(self.paths) > 1 else []
    named += [("text", self.text)] if self.text else []
    if self.split != schema.EXPERIMENT["data"]["split"]:  # by default, if there
      named.append(("split", self.split))
    for key, column in named:
      if column not in columns:
        raise ValueError(
          registry.unknown(f"column data.{key}", column, set(columns))
        )
    if self.label in self.drop:
      raise ValueError(
        f"data.drop names {self.label!r}, which is the label; drop other "
        "columns, or name another label with data.label."
      )

  def _join(self, frames, notes):
    """Joins the files on the id (inner join) and notes the unmatched rows.

    Returns:
      `(frame, owners)`, where owners are the feature columns of each file.
    """
    holders = [p.name for p, f in zip(self.paths, frames) if self.label in f]
    if len(holders) > 1:
      raise ValueError(
        f"the label {self.label!r} is in {', '.join(holders)}; it is the "
        "active party's, so remove it from the other files."
      )
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
    if sum(self.split in f for f in frames) > 1:  # it holds for all parties
      frames = [
        f if self.label in f else f.drop(columns=self.split, errors="ignore")
        for f in frames
      ]
      notes.append(
        f"column {self.split} is in several files; {holders[0]} counts"
      )
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
