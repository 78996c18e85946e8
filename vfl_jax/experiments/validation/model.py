"""The model of a config, checked against its data, and its stages."""

from collections.abc import Mapping
from typing import Any

from vfl_jax import data as datasets
from vfl_jax.data import base
from vfl_jax.data import tasks
from vfl_jax.experiments.validation import data
from vfl_jax import models


def model(
  config: Mapping[str, Any], header: base.Header, classes: int
) -> models.Model:
  """Build the model of an experiment, to learn its stages.

  Args:
    config: config of the experiment.
    header: header of its data.
    classes: number of classes of its task.

  Raises:
    ValueError: the builder refuses an option, or the model cannot read such
      data.
  """
  options = dict(config["model"])
  name = options.pop("name")
  del options["cut"]
  # a placeholder; the real numbers of ids are known once data are read
  options = {"vocabulary": (2,) * config["data"]["parties"], **options}
  built = models.build(name, classes, **options)
  reads = data.kind(config, header.modality)
  if reads not in built.reads:
    raise ValueError(
      f"model {name!r} reads {' or '.join(built.reads)}, but {header.name} "
      f"gives {reads}; take another model"
      + (
        ", or data.encoding='fields'."
        if "fields" in built.reads
        else ", or data.encoding='onehot'."
        if reads == "fields"
        else "."
      )
    )
  return built


def stages(config: Mapping[str, Any]) -> int:
  """The number of stages of the model of a valid experiment."""
  header = datasets.describe(config["data"])
  classes = tasks.build(config["task"], header.num_classes).num_classes
  return len(model(config, header, classes).stages)
