"""The config: its defaults, its checks, its identity. Imports without jax."""

import ast
from collections.abc import Mapping
import copy
import difflib
import hashlib
import importlib.util
import json
import pathlib
from typing import Any

import ml_collections

from vfl_jax import entries
from vfl_jax import schemas


def defaults(kind: str = "experiment") -> Any:
  """Every key a config of this kind has; for "experiment" the default one.

  Two parties hold the left and right half of the digits that ship inside
  scikit-learn.

  Args:
    kind: "experiment", "calibration", "study" or "audit".

  >>> defaults().data.name, defaults("calibration").grid.classes
  ('digits', (2, 10, 100))
  """
  config = ml_collections.ConfigDict(copy.deepcopy(schemas.KINDS[kind]))
  if "model" in config:
    config.model = model(**config.model)
  return config


def model(
  name: str, cut: int = -1, **options: Any
) -> ml_collections.ConfigDict:
  """A model section; options beyond name and cut are the builder's own.

  Args:
    name: a key of `vfl_jax.models.MODELS`, or `package.module:builder`.
    cut: stages at the parties; -1 is the architecture's reference cut.
    **options: keywords of the builder.
  """
  return ml_collections.ConfigDict(
    {"name": name, "cut": cut, **options}, allow_dotted_keys=False
  )


def load(spec: str, overrides: Mapping[str, str] | None = None) -> Any:
  """The config of a file, `PATH.py[:ARG]`, with overrides written as text.

  Args:
    spec: file with a function `get_config(arg)`, and its argument.
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
  module_spec = importlib.util.spec_from_file_location(file.stem, file)
  assert module_spec is not None and module_spec.loader is not None
  module = importlib.util.module_from_spec(module_spec)
  module_spec.loader.exec_module(module)
  config = module.get_config(arg)
  values = {k: parse_value(v) for k, v in (overrides or {}).items()}
  assign(config, values)
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
    check = {
      "experiment": _experiment,
      "calibration": _calibration,
      "study": _study,
      "audit": _audit,
    }[kind]
    return check(ml_collections.ConfigDict(config.to_dict()))
  except (TypeError, AttributeError) as error:  # a value of an odd shape
    raise ValueError(
      f"the config holds a value of a wrong kind: {error}."
    ) from (error)


def _experiment(config: Any) -> Any:
  from vfl_jax import attacks
  from vfl_jax import checks
  from vfl_jax import data
  from vfl_jax import defenses
  from vfl_jax import information
  from vfl_jax import models
  from vfl_jax import plan
  from vfl_jax import registry
  from vfl_jax import tasks
  from vfl_jax import types

  if not isinstance(config.model.get("name"), str):
    raise ValueError(f"model.name is {config.model.get('name')!r}; a name.")
  checks.keys(config, defaults(), "", models.options(config.model.name))
  parties = config.data.parties
  checks.ranges(config)
  overrides = entries.pieces(config.train.overrides)
  checks.overrides(config.train, defaults().train, overrides, parties)
  registry.lookup(tasks.TASKS, "task", config.task.name)
  for _, name, overrides in entries.labelled(config.information.estimators):
    information.build(name, **overrides)
  header = data.describe(config.data)
  classes = tasks.build(config.task, header.num_classes).num_classes
  checks.data(config, header._replace(num_classes=classes))
  reads = checks.kind(config, header.modality)
  built = plan.model(config, header, classes)
  name, cut = config.model.name, config.model.cut
  length = len(built.stages)
  if cut == -1:
    cut = built.reference_cut
  if not 0 <= cut <= length:
    raise ValueError(
      f"model.cut is {cut}; {name} has {length} stages, so take 0 to "
      f"{length}, or -1 for its reference cut {built.reference_cut}."
    )
  chain = defenses.chain(
    [defenses.build(n, **o) for n, o in entries.pieces(config.defenses)]
  )
  if chain.check:
    chain.check(classes, reads)
  assert chain.configure is not None  # refused here; applied when it is built
  effective = chain.configure({**config.model, "cut": cut})["cut"]
  config.model.cut = cut
  passive = parties - config.data.active_features
  if passive < 1:
    raise ValueError(
      f"data.parties={parties} with data.active_features leaves no passive "
      "party; take at least 2."
    )
  checks.coalitions(config.evaluate.coalitions, passive)
  setting = types.Setting(
    effective,
    length,
    config.record.messages if config.record.epochs else "",
    config.evaluate.label_prior,
    checks.local_optimizer(config, passive),
    chain.code is not None,
    tuple(config.record.epochs),
    chain.pairs is not None,
  )
  listed = entries.labelled(config.attacks)
  lenient = "possible" in [name for _, name, _ in listed]
  for _, name, overrides in listed:
    if name in entries.SETS:
      continue
    attack = attacks.build(
      name, **{"steps": config.evaluate.attack_steps, **overrides}
    )
    reason = attacks.missing(attack, setting)
    if reason and not lenient:
      raise ValueError(f"attack {name!r} cannot run here: {reason}.")
  return config


def _calibration(config: Any) -> Any:
  from vfl_jax import checks
  from vfl_jax import information

  checks.keys(config, defaults("calibration"), "", ())
  checks.grid(config)
  for _, name, overrides in entries.labelled(config.estimators):
    information.build(name, **overrides)
  return config


def _study(config: Any) -> Any:
  from vfl_jax import checks

  checks.study(config, defaults("study"))
  seen: dict[str, Any] = {}
  for entry in config.cells:
    labels = dict(entry["labels"])
    try:
      same = seen.setdefault(digest(cell(config, entry)), labels)
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

  section = config.get("audit")
  if not isinstance(section, ml_collections.ConfigDict):
    raise ValueError(f"audit is {section!r}; it is a section.")
  checks.keys(section, defaults("audit").audit, "audit.", ())
  base = {k: v for k, v in config.to_dict().items() if k != "audit"}
  base = _experiment(ml_collections.ConfigDict({**base, "kind": "experiment"}))
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
  """The validated config of one experiment of a study.

  Args:
    study: a config of kind "study".
    entry: one of its `cells`.

  Raises:
    ValueError: it is impossible, see `validate`.
  """
  config = ml_collections.ConfigDict(study.bases[entry["base"]].to_dict())
  assign(config, entry.get("set", {}))
  return validate(config)
