"""The config: its defaults, its checks, its identity. Imports without jax."""

import ast
from collections.abc import Mapping
import difflib
import hashlib
import importlib.util
import json
import pathlib
from typing import Any

import ml_collections

from vfl_jax import schemas
from vfl_jax.schemas import defaults
from vfl_jax.schemas import model

__all__ = [
  "as_json",
  "assign",
  "audited",
  "cell",
  "defaults",
  "digest",
  "from_json",
  "load",
  "model",
  "parse_value",
  "validate",
]


def load(spec: str, overrides: Mapping[str, str] | None = None) -> Any:
  """The config of a file, `PATH.py[:ARG]`, with overrides written as text.

  Args:
    spec: file with a function `get_config(arg)`, and its argument; or a
      `.json` file, e.g. the config.json of a finished run.
    overrides: text by dotted key, e.g. `{"train.epochs": "5"}`.

  Raises:
    ValueError: no such file, an argument it refuses, an unknown key.
  """
  path, _, arg = spec.partition(":")
  file = pathlib.Path(path)
  if not file.is_file():
    near = difflib.get_close_matches(
      file.name, [p.name for p in file.parent.glob("*.py")], n=1
    )
    hint = f"; did you mean {file.parent / near[0]}?" if near else "."
    raise ValueError(f"config file {path} does not exist{hint}")
  if file.suffix == ".json":
    return _with(from_json(file.read_text("utf-8")), overrides)
  module_spec = importlib.util.spec_from_file_location(file.stem, file)
  assert module_spec is not None and module_spec.loader is not None
  module = importlib.util.module_from_spec(module_spec)
  module_spec.loader.exec_module(module)
  return _with(module.get_config(arg), overrides)


def _with(config, overrides):
  assign(config, {k: parse_value(v) for k, v in (overrides or {}).items()})
  return config


def assign(config: Any, values: Mapping[str, Any]) -> None:
  """Set dotted keys; `model.` takes new ones, its builder's options.

  Types are checked by `validate`, whoever set them.

  Raises:
    ValueError: an unknown key, with the near match.

  >>> config = defaults()
  >>> assign(config, {"train.epochs": 5, "model.hidden": (8,)})
  >>> config.train.epochs, config.model.hidden
  (5, (8,))
  """
  for path, value in values.items():
    *sections, key = path.split(".")
    target, known = config, config
    for section in sections:
      known = target
      target = target.get(section) if section in target else None
      if not isinstance(target, ml_collections.ConfigDict):
        raise ValueError(_unknown_key(path, section, known))
    if key not in target and sections not in (["model"], ["task"]):
      raise ValueError(_unknown_key(path, key, target))
    with target.unlocked(), target.ignore_type():
      target[key] = tuple(value) if isinstance(value, list) else value


def _unknown_key(path, part, known) -> str:
  near = difflib.get_close_matches(part, list(known), n=1)
  hint = f" Did you mean {near[0]!r}?" if near else ""
  return f"unknown config key {path!r}; there is no {part!r} here.{hint}"


def parse_value(text: str) -> Any:
  """A Python literal, or the text itself.

  >>> parse_value("0.5"), parse_value("cosine"), parse_value("(1, 2)")
  (0.5, 'cosine', (1, 2))
  """
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


def digest(config: Mapping[str, Any]) -> str:
  """Eight hex digits that identify a config.

  >>> len(digest(defaults()))
  8
  """
  return hashlib.sha256(as_json(config).encode()).hexdigest()[:8]


def as_json(config: Any) -> str:
  """Canonical JSON: sorted keys, tuples as lists."""

  def plain(value):
    if isinstance(value, ml_collections.ConfigDict):
      value = value.to_dict()
    if isinstance(value, Mapping):
      return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
      return [plain(v) for v in value]
    return value

  return json.dumps(plain(config), sort_keys=True, indent=1)


def from_json(text: str) -> Any:
  """The config written by `as_json`; lists come back as tuples."""

  def tuples(value):
    if isinstance(value, dict):
      return {k: tuples(v) for k, v in value.items()}
    if isinstance(value, list):
      return tuple(tuples(v) for v in value)
    return value

  return ml_collections.ConfigDict(tuples(json.loads(text)))


def validate(config: Any) -> Any:
  """The config with its cut resolved, once everything in it is possible.

  Reads data headers, never data; compiles nothing.

  Raises:
    ValueError: an unknown key or name, a wrong type, an impossible value:
      one sentence with the value, the allowed range and the fix.
    FileNotFoundError: the data set is not there; says what gets it.
  """
  try:
    kind = config.get("kind")
    if kind not in schemas.KINDS:
      raise ValueError(
        f"kind is {kind!r}; take one of {', '.join(schemas.KINDS)}."
      )
    from vfl_jax import validation

    check = {
      "experiment": validation.experiment,
      "calibration": validation.calibration,
      "study": _study,
      "audit": _audit,
    }[kind]
    return check(ml_collections.ConfigDict(config.to_dict()))
  except (TypeError, AttributeError) as error:  # a value of an odd shape
    raise ValueError(
      f"the config holds a value of a wrong kind: {error}."
    ) from (error)


def _study(config: Any) -> Any:
  from vfl_jax import checks

  checks.study(config, defaults("study"))
  seen: dict[str, Any] = {}
  for entry in config.cells:
    labels = dict(entry["labels"])
    try:
      found = validate(cell(config, entry))
      same = seen.setdefault(digest(found), labels)
      if found.mesh.hosts > 1:
        raise ValueError(
          f"mesh.hosts is {found.mesh.hosts}; an experiment of a study runs on "
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
  from vfl_jax import checks
  from vfl_jax import plan
  from vfl_jax import validation

  section = config.get("audit")
  if not isinstance(section, ml_collections.ConfigDict):
    raise ValueError(f"audit is {section!r}; it is a section.")
  checks.keys(section, defaults("audit").audit, "audit.", ())
  base = {k: v for k, v in config.to_dict().items() if k != "audit"}
  base = ml_collections.ConfigDict({**base, "kind": "experiment"})
  base = validation.experiment(base)
  plan.audit(section, base, plan.stages(base))
  found = {**base.to_dict(), "kind": "audit", "audit": section.to_dict()}
  found = ml_collections.ConfigDict(found)
  _study(audited(found))
  return found


def audited(config: Any) -> Any:
  """The study of all cuts and defences that a validated audit runs."""
  from vfl_jax import plan

  base = {k: v for k, v in config.to_dict().items() if k != "audit"}
  base = ml_collections.ConfigDict({**base, "kind": "experiment"})
  study = defaults("study")
  study.name, study.profile = config.name, config.profile
  study.question, study.workers = "cuts", config.audit.workers
  study.bases["own"] = base
  study.cells = tuple(plan.options(config.audit, base, plan.stages(base)))
  return study


def cell(study: Any, entry: Mapping[str, Any]) -> Any:
  """The config of one experiment of a study, as it is asked for.

  Its digest is the identity of the run. Needs no jax: whether it is possible,
  `validate` says.

  Args:
    study: a config of kind "study".
    entry: one of its `cells`.

  Raises:
    ValueError: an unknown key.
  """
  config = ml_collections.ConfigDict(study.bases[entry["base"]].to_dict())
  assign(config, entry.get("set", {}))
  return config
