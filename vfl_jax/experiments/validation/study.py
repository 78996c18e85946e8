"""Checks of a study, except for its cells."""

from typing import Any

import ml_collections

from vfl_jax.config import registry
from vfl_jax.experiments.validation import keys as validation_keys
from vfl_jax.results import answers


def study(config, reference):
  """Check the keys of a study; `validate` then checks cell by cell.

  Args:
    config: config of kind "study".
    reference: a study with all keys and values of the right types.

  Raises:
    ValueError: a key, a base, the question or the form of a cell is wrong.
  """
  bases = config.bases
  if not isinstance(bases, ml_collections.ConfigDict) or not len(bases):
    raise ValueError("bases is empty; give at least one experiment by name.")
  bare = ml_collections.ConfigDict({**config.to_dict(), "bases": {}})
  validation_keys.keys(bare, reference, "", ())
  for name in bases:
    base: Any = bases[name]
    if base.get("kind") != "experiment":
      raise ValueError(
        f"bases.{name} is of kind {base.get('kind')!r}; take an experiment."
      )
  registry.lookup(answers.READINGS, "question", config.question)
  if config.workers < 0:
    raise ValueError(
      f"workers is {config.workers}; take at least 1, or 0 for one per core."
    )
  if not config.cells:
    raise ValueError("cells is empty; a study has at least one experiment.")
  first = None
  for entry in config.cells:
    wrong = set(entry) - {"labels", "base", "set"}
    if wrong or not {"labels", "base"} <= set(entry):
      raise ValueError(
        f"cell {dict(entry)} must have the keys labels and base, and may have "
        "set."
      )
    if entry["base"] not in bases:
      raise ValueError(
        registry.unknown("base of a cell", entry["base"], set(bases))
      )
    first = first or sorted(entry["labels"])
    if sorted(entry["labels"]) != first:
      raise ValueError(
        f"cell {dict(entry)} is labelled unlike the first, by {first}; give "
        "all cells the same labels."
      )
