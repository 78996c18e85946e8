"""Checks of any config, which `main.py` and `vfl_jax.run` make first."""

from typing import Any

import ml_collections

from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.config import schema


def validate(config: Any) -> Any:
  """Check that everything in a config is possible.

  This reads the headers of data, never the data, and compiles nothing.

  Args:
    config: config of any kind.

  Returns:
    A copy of the config with its cut resolved.

  Raises:
    ValueError: a key or name is unknown, a type is wrong, or a value is
      impossible; one sentence with the value, what is allowed, and the fix.
    FileNotFoundError: the data set is missing; the message says how to get it.
  """
  kind = config.get("kind")
  if not isinstance(kind, str) or kind not in schema.KINDS:
    raise ValueError(
      f"kind is {kind!r}; take one of {', '.join(schema.KINDS)}."
    )
  from vfl_jax.experiments.validation import calibration
  from vfl_jax.experiments.validation import experiment

  check = {
    "experiment": experiment.experiment,
    "calibration": calibration.calibration,
    "study": _study,
    "audit": _audit,
  }[kind]
  return check(ml_collections.ConfigDict(config.to_dict()))


def _study(config: Any) -> Any:
  from vfl_jax.experiments.validation import study as validation_study

  validation_study.study(config, schema.defaults("study"))
  seen: dict[str, Any] = {}
  for entry in config.cells:
    labels = dict(entry["labels"])
    try:
      valid = validate(files.cell(config, entry))
      same = seen.setdefault(identity.digest(valid), labels)
      if valid.mesh.hosts > 1:
        raise ValueError(
          f"mesh.hosts is {valid.mesh.hosts}; an experiment of a study runs on "
          "one host, take 1."
        )
    except ValueError as error:
      raise ValueError(f"cell {labels}: {error}") from error
    if same is not labels:
      raise ValueError(
        f"cells {labels} and {same} are the same experiment; remove one."
      )
  return config


def _audit(config: Any) -> Any:
  from vfl_jax.experiments.validation import keys
  from vfl_jax.experiments.validation import audit
  from vfl_jax.experiments.validation import model
  from vfl_jax.experiments.validation import experiment

  section = config.get("audit")
  if not isinstance(section, ml_collections.ConfigDict):
    raise ValueError(f"audit is {section!r}; it is a section.")
  keys.keys(section, schema.defaults("audit").audit, "audit.", ())
  base = {k: v for k, v in config.to_dict().items() if k != "audit"}
  base = ml_collections.ConfigDict({**base, "kind": "experiment"})
  base = experiment.experiment(base)
  audit.audit(section, base, model.stages(base))
  checked = {**base.to_dict(), "kind": "audit", "audit": section.to_dict()}
  checked = ml_collections.ConfigDict(checked)
  _study(audited(checked))
  return checked


def audited(config: Any) -> Any:
  """The study, over cuts and defences, that a validated audit runs."""
  from vfl_jax.experiments.validation import audit
  from vfl_jax.experiments.validation import model

  base = {k: v for k, v in config.to_dict().items() if k != "audit"}
  base = ml_collections.ConfigDict({**base, "kind": "experiment"})
  study = schema.defaults("study")
  study.name, study.profile = config.name, config.profile
  study.question, study.workers = "cuts", config.audit.workers
  study.bases["own"] = base
  study.cells = tuple(audit.options(config.audit, base, model.stages(base)))
  return study
