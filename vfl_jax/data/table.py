"""Encodes a party's columns as numbers, by statistics of the training rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

ENCODINGS = ("onehot", "hash", "fields")


def encode(
  splits: Sequence[pd.DataFrame],
  encoding: str,
  *,
  max_categories: int,
  hash_size: int,
) -> tuple[int, list]:
  """Encodes one party's columns of every split, fitted on the first split.

  Args:
    splits: data frames with the same columns, the training rows first.
    encoding: "onehot" gives standardised numbers (missing ones replaced by the
      median, with an indicator) beside one-hot categories. "hash" hashes
      everything (numbers by decile) into `hash_size` signed buckets. "fields"
      gives `{"numeric": [n, a], "category": [n, b]}` with ids that are unique
      over the party's columns.
    max_categories: number of most frequent categories kept per column; the
      rest share one.
    hash_size: number of buckets of "hash".

  Returns:
    `(number of distinct ids, one array or dict per split)`; the number is 0
    unless the encoding is "fields".

  Raises:
    ValueError: the encoding is unknown.
  """
  if encoding not in ENCODINGS:
    raise ValueError(f"data.encoding is {encoding!r}; take {ENCODINGS}.")
  train = splits[0]
  numeric = [c for c in train if pd.api.types.is_numeric_dtype(train[c])]
  numeric = [c for c in numeric if train[c].dtype != bool]
  category = [c for c in train if c not in numeric]
  splits = [
    s.assign(**{c: s[c].astype("string").astype(object) for c in category})
    for s in splits
  ]
  splits = [s.where(s.notna(), np.nan) for s in splits]
  if encoding == "hash":
    return 0, _hashed(splits, numeric, category, hash_size)
  if encoding == "onehot":
    return 0, _onehot(splits, numeric, category, max_categories)
  numbers = [s[numeric] for s in splits]
  size, ids = _ids([s[category] for s in splits], max_categories)
  if numeric:
    scaler = _numbers().fit(numbers[0])
    numbers = [scaler.transform(n) for n in numbers]
  return size, [
    {"numeric": np.asarray(n, np.float32), "category": c}
    for n, c in zip(numbers, ids, strict=True)
  ]


def _numbers():
  """Standardised numbers, and indicators of missing ones."""
  from sklearn import impute
  from sklearn import pipeline
  from sklearn import preprocessing

  medians = impute.SimpleImputer(
    strategy="median", add_indicator=True, keep_empty_features=True
  )
  return pipeline.make_pipeline(medians, preprocessing.StandardScaler())


def _categories(encoder):
  """Categories by an encoder; a missing one is a category of its own."""
  from sklearn import impute
  from sklearn import pipeline

  names = impute.SimpleImputer(strategy="constant", fill_value="missing")
  return pipeline.make_pipeline(names, encoder)


def _onehot(splits, numeric, category, max_categories):
  """Numbers beside one column per category, one array per split."""
  from sklearn import compose
  from sklearn import preprocessing

  onehot = preprocessing.OneHotEncoder(
    handle_unknown="infrequent_if_exist",
    max_categories=max_categories,
    sparse_output=False,
    dtype=np.float32,
  )
  transformer = compose.ColumnTransformer(
    [
      ("numeric", _numbers(), numeric),
      ("category", _categories(onehot), category),
    ]
  ).fit(splits[0])
  return [np.asarray(transformer.transform(s), np.float32) for s in splits]


def _ids(splits, max_categories):
  """`(number of ids, ids by split)`; ids are unique over the columns."""
  from sklearn import preprocessing

  if not splits[0].shape[1]:
    return 0, [np.zeros((len(s), 0), np.int32) for s in splits]
  ordinal = preprocessing.OrdinalEncoder(
    handle_unknown="use_encoded_value",
    unknown_value=-1,
    max_categories=max_categories,
    dtype=np.int32,
  )
  encoder = _categories(ordinal).fit(splits[0])
  codes = [encoder.transform(s) + 1 for s in splits]  # 0: never seen
  sizes = np.asarray(codes[0]).max(0) + 1
  offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
  return int(sizes.sum()), [np.asarray(c + offsets, np.int32) for c in codes]


def _hashed(splits, numeric, category, size):
  from sklearn import feature_extraction

  edges = {
    c: np.unique(np.nanquantile(splits[0][c], np.linspace(0.1, 0.9, 9)))
    for c in numeric
  }
  hasher = feature_extraction.FeatureHasher(
    size, input_type="string", dtype=np.float32
  )

  def rows(frame):
    columns = [
      [
        f"{c}=missing" if np.isnan(v) else f"{c}={np.searchsorted(e, v)}"
        for v in frame[c].astype(float)
      ]
      for c, e in edges.items()
    ] + [[f"{c}={v}" for v in frame[c]] for c in category]
    return zip(*columns, strict=True)

  return [hasher.transform(rows(s)).toarray() for s in splits]
