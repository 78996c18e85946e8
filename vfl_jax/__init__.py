"""Label privacy in vertical federated learning: measured, attacked, defended.

>>> import vfl_jax
>>> sorted(vfl_jax.models.MODELS)[:3]
['deepfm', 'lenet', 'mlp']
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# loaded when first asked for, so that a launcher never imports jax
_ROOMS = (
  "attacks",
  "config",
  "cost",
  "data",
  "defenses",
  "evaluate",
  "experiment",
  "information",
  "models",
  "report",
  "split",
  "tables",
  "tasks",
  "train",
  "types",
)


def __getattr__(name: str) -> Any:
  if name in _ROOMS:
    return importlib.import_module(f"vfl_jax.{name}")
  raise AttributeError(f"module 'vfl_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted([*_ROOMS, "__version__"])
