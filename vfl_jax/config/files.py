"""Config files and overrides of single keys; imports no jax."""

import ast
from collections.abc import Mapping
import difflib
import importlib.util
import pathlib
from typing import Any

import ml_collections

from vfl_jax.config import identity


def load(spec: str, overrides: Mapping[str, str] | None = None) -> Any:
  """Load the config of a file, `PATH.py[:ARG]`, and override some of its keys.

  Args:
    spec: path of a file with a function `get_config(arg)`, and the argument
      after a colon; or path of a `.json` file, e.g. the config.json of a
      finished run.
    overrides: values as text by dotted key, e.g. `{"train.epochs": "5"}`.

  Raises:
    ValueError: the file does not exist, it refuses the argument, or a key is
      unknown.
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
    return _with(identity.from_json(file.read_text("utf-8")), overrides)
  module_spec = importlib.util.spec_from_file_location(file.stem, file)
  assert module_spec is not None and module_spec.loader is not None
  module = importlib.util.module_from_spec(module_spec)
  module_spec.loader.exec_module(module)
  return _with(module.get_config(arg), overrides)


def _with(config, overrides):
  assign(config, {k: parse_value(v) for k, v in (overrides or {}).items()})
  return config


def assign(config: Any, values: Mapping[str, Any]) -> None:
  """Set dotted keys of a config.

  The sections `model` and `task` take new keys, the options of their builders.
  `validate` checks the types later.

  Args:
    config: the config; changed in place.
    values: values by dotted key.

  Raises:
    ValueError: a key is unknown.

  >>> from vfl_jax.config import schema
  >>> config = schema.defaults()
  >>> assign(config, {"train.epochs": 5, "model.hidden": (8,)})
  >>> config.train.epochs, config.model.hidden
  (5, (8,))
  """
  for path, value in values.items():
    *sections, key = path.split(".")
    target, parent = config, config
    for section in sections:
      parent = target
      target = target.get(section) if section in target else None
      if not isinstance(target, ml_collections.ConfigDict):
        raise ValueError(_unknown_key(path, section, parent))
    if key not in target and sections not in (["model"], ["task"]):
      raise ValueError(_unknown_key(path, key, target))
    with target.unlocked(), target.ignore_type():
      target[key] = tuple(value) if isinstance(value, list) else value


def _unknown_key(path, missing, available) -> str:
  near = difflib.get_close_matches(missing, list(available), n=1)
  hint = f" Did you mean {near[0]!r}?" if near else ""
  return f"unknown config key {path!r}; there is no {missing!r} here.{hint}"


def parse_value(text: str) -> Any:
  """The value of a Python literal; the text itself if it is none.

  >>> parse_value("0.5"), parse_value("cosine"), parse_value("(1, 2)")
  (0.5, 'cosine', (1, 2))
  """
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


def cell(study: Any, entry: Mapping[str, Any]) -> Any:
  """The config of one experiment of a study, before validation.

  Its digest is the identity of the run. It needs no jax, but may be impossible:
  `validate` checks that.

  Args:
    study: a config of kind "study".
    entry: one of its `cells`.

  Raises:
    ValueError: a key is unknown.
  """
  config = ml_collections.ConfigDict(study.bases[entry["base"]].to_dict())
  assign(config, entry.get("set", {}))
  return config
