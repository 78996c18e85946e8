"""A config as JSON, and the digest that identifies it."""

from collections.abc import Mapping
import hashlib
import json
from typing import Any

import ml_collections


def digest(config: Mapping[str, Any]) -> str:
  """Eight hex digits that identify a config.

  >>> from vfl_jax.config import schema
  >>> len(digest(schema.defaults()))
  8
  """
  return hashlib.sha256(as_json(config).encode()).hexdigest()[:8]


def as_json(config: Any) -> str:
  """Canonical JSON of a config: sorted keys, and tuples as lists."""

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
  """The config that `as_json` wrote; its lists become tuples."""

  def tuples(value):
    if isinstance(value, dict):
      return {k: tuples(v) for k, v in value.items()}
    if isinstance(value, list):
      return tuple(tuples(v) for v in value)
    return value

  return ml_collections.ConfigDict(tuples(json.loads(text)))
