"""Data sets: read, split, encoded per party, partitioned vertically; tasks.

`describe` reads headers only and needs no jax; `load` returns a `Dataset`
whose inputs are a tuple over parties. Nothing here depends on models.
"""

from collections.abc import Mapping
import hashlib
from typing import Any

import numpy as np

from vfl_jax.config import registry
from vfl_jax.data import base
from vfl_jax.data import bundled
from vfl_jax.data import files
from vfl_jax.data import openml
from vfl_jax.data import partition
from vfl_jax.data import raw
from vfl_jax.data import tfds

__all__ = ["DATASETS", "describe", "digest", "load"]

DATASETS = {
  "digits": bundled.Digits,
  "breast_cancer": bundled.BreastCancer,
  "mnist": tfds.source("mnist"),
  "fashion_mnist": tfds.source("fashion_mnist"),
  "cifar10": tfds.source("cifar10"),
  "cifar100": tfds.source("cifar100", label="label"),
  "svhn_cropped": tfds.source("svhn_cropped"),
  "trec": tfds.source("trec", label="label-coarse"),
  "ag_news": tfds.source("ag_news_subset", text="description"),
  "sst2": tfds.source("glue/sst2", text="sentence", test="validation"),
  "adult": openml.source("adult", version=2),
  "credit_default": openml.source("default-of-credit-card-clients"),
  "bank_marketing": openml.source("bank-marketing", drop=("V12",)),
}


def _source(config: Mapping[str, Any]) -> raw.Source:
  """The reader that a config names: its file if given, else its data set."""
  if config["path"]:
    return files.Files(config)
  name = config["name"]
  if name == "file":
    raise ValueError(
      "data.name is 'file' but data.path is empty; give the Parquet, CSV or "
      "npz file with --config.data.path=FILE."
    )
  if name.startswith("tfds/"):
    return tfds.source(name.removeprefix("tfds/"))(config)
  if name.startswith("openml/"):
    return openml.source(name.removeprefix("openml/"))(config)
  return registry.lookup(DATASETS, "data set", name)(config)


def describe(config: Mapping[str, Any]) -> base.Header:
  """Describes a data set: rows, columns, classes and modality.

  No samples are decoded, except for formats without a header.

  Args:
    config: the `data` section of an experiment's config.

  Raises:
    ValueError: the name is unknown, or a file lacks a column or array that the
      config names.
    FileNotFoundError: the data are not there; the message says how to get them.
  """
  header = _source(config).describe()
  if header.modality == "text":  # the columns are the tokens of a text
    header = header._replace(columns=config["length"])
  return header


def digest(config: Mapping[str, Any]) -> str:
  """Ten hex digits that identify the content of the user's own files.

  Empty for a named data set, and where a file cannot be read.

  Args:
    config: the `data` section of an experiment's config.
  """
  if not config["path"]:
    return ""
  found = hashlib.sha256()
  try:
    for path in files.Files(config).paths:
      with path.open("rb") as file:
        found.update(hashlib.file_digest(file, "sha256").digest())
  except (OSError, ValueError):
    return ""
  return found.hexdigest()[:10]


def load(config: Mapping[str, Any], key: np.ndarray) -> base.Dataset:
  """Reads, splits, subsets, encodes and partitions a data set.

  Args:
    config: the `data` section of an experiment's config.
    key: words (uint32) of the random key that splits and subsets.

  Returns:
    A data set whose inputs are tuples over parties: float images
    `[n, height, width, channels]` (standardised by training statistics),
    float rows `[n, d]`, `{"numeric", "category"}` fields, or token ids
    `[n, length]`.

  Raises:
    ValueError, FileNotFoundError: see `describe`, `raw.splits` and
      `partition.apply`.
  """
  source = _source(config)
  generator = np.random.Generator(
    np.random.Philox(np.random.SeedSequence([int(w) for w in key]))
  )
  whole = raw.splits(source.read(), config, generator)
  return partition.apply(whole, config, generator)
