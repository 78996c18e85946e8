"""Checks of a config against the header of its data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vfl_jax.data import partition


def data(config, header):
  """Check metric, parties, partition, batch size and auxiliary samples.

  Args:
    config: config of an experiment.
    header: name, modality, columns, rows and classes of its data.

  Raises:
    ValueError: the data do not allow one of them.
  """
  if config.evaluate.metric == "auc" and header.num_classes != 2:
    raise ValueError(
      f"evaluate.metric is 'auc', but {header.name} has "
      f"{header.num_classes} classes; AUC is for 2, take 'accuracy'."
    )
  if config.data.parties > header.columns:
    raise ValueError(
      f"data.parties is {config.data.parties}, but {header.name} has "
      f"{header.columns} columns to hand out; take 1 to {header.columns}."
    )
  rule = partition.parsed(config.data.partition)
  if isinstance(rule, str) or isinstance(rule[0], int):
    partition.blocks(
      range(header.columns),
      config.data.parties,
      rule,
      np.random.default_rng(0),
    )
  rows = int(header.rows * (1 - config.data.validation))
  if config.data.name in ("digits", "breast_cancer") and not config.data.path:
    rows = int(rows * (1 - config.data.test))
  if config.data.train_size:
    rows = min(rows, config.data.train_size)
  if config.train.batch_size > rows:
    raise ValueError(
      f"train.batch_size is {config.train.batch_size}, larger than the "
      f"{rows} training rows of {header.name}; take at most {rows}."
    )
  aux = config.evaluate.aux_per_class
  if aux < 1 or aux * header.num_classes >= rows:
    raise ValueError(
      f"evaluate.aux_per_class is {aux}: {aux * header.num_classes} auxiliary"
      f" samples for {header.num_classes} classes and {rows} training rows; "
      f"take 1 to {(rows - 1) // header.num_classes}."
    )


def kind(config: Mapping[str, Any], modality: str) -> str:
  """The kind of input that the model reads, e.g. "image" or "fields"."""
  if modality == "table" and config["data"]["encoding"] == "fields":
    return "fields"
  return partition.MODALITIES[modality].reads
