"""The config: its defaults, its checks, its identity. Imports without jax."""

import ast
from collections.abc import Mapping
import difflib
import importlib.util
import pathlib
from typing import Any

import ml_collections

from vfl_jax.config import identity


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
  """Set dotted keys; `model.` takes new ones, its builder's options.

  Types are checked by `validate`, whoever set them.

  Raises:
    ValueError: an unknown key, with the near match.

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
  """A Python literal, or the text itself.

  >>> parse_value("0.5"), parse_value("cosine"), parse_value("(1, 2)")
  (0.5, 'cosine', (1, 2))
  """
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


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
