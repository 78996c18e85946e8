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
  from sklearn import compose
  from sklearn import impute
  from sklearn import pipeline
  from sklearn import preprocessing

  train = splits[0]
  numeric = [c for c in train if pd.api.types.is_numeric_dtype(train[c])]
  numeric = [c for c in numeric if train[c].dtype != bool]
  category = [c for c in train if c not in numeric]
  splits = [
    s.assign(**{c: s[c].astype("string").astype(object) for c in category})
    for s in splits
  ]
  splits = [s.where(s.notna(), np.nan) for s in splits]
  numbers = pipeline.make_pipeline(
    impute.SimpleImputer(
      strategy="median",
      add_indicator=encoding != "hash",
      keep_empty_features=True,
    ),
    preprocessing.StandardScaler(),
  )
  names = impute.SimpleImputer(strategy="constant", fill_value="missing")
  if encoding == "hash":
    return 0, _hashed(splits, numeric, category, hash_size)
  if encoding == "onehot":
    onehot = preprocessing.OneHotEncoder(
      handle_unknown="infrequent_if_exist",
      max_categories=max_categories,
      sparse_output=False,
      dtype=np.float32,
    )
    transformer = compose.ColumnTransformer(
      [
        ("numeric", numbers, numeric),
        ("category", pipeline.make_pipeline(names, onehot), category),
      ]
    ).fit(splits[0])
    return 0, [_dense(transformer, s) for s in splits]
  if encoding != "fields":
    raise ValueError(f"data.encoding is {encoding!r}; take {ENCODINGS}.")
  arrays: list[dict[str, np.ndarray]] = [{} for _ in splits]
  if numeric:
    numbers.fit(splits[0][numeric])
  for out, s in zip(arrays, splits, strict=True):
    out["numeric"] = (
      np.asarray(numbers.transform(s[numeric]), np.float32)
      if numeric
      else np.zeros((len(s), 0), np.float32)
    )
  if not category:
    for out, s in zip(arrays, splits, strict=True):
      out["category"] = np.zeros((len(s), 0), np.int32)
    return 0, arrays
  ordinal = preprocessing.OrdinalEncoder(
    handle_unknown="use_encoded_value",
    unknown_value=-1,
    max_categories=max_categories,
    dtype=np.int32,
  )
  ids = pipeline.make_pipeline(names, ordinal).fit(splits[0][category])
  codes = [ids.transform(s[category]) + 1 for s in splits]  # 0: never seen
  sizes = np.asarray(codes[0]).max(0) + 1
  offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
  for out, code in zip(arrays, codes, strict=True):
    out["category"] = np.asarray(code + offsets, np.int32)
  return int(sizes.sum()), arrays


def _dense(transformer, frame):
  return np.asarray(transformer.transform(frame), np.float32)


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
