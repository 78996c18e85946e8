"""Label privacy in vertical federated learning: measured, attacked, defended.

>>> import vfl_jax
>>> config = vfl_jax.defaults()
>>> config.model.update(cut=2)
>>> vfl_jax.run  # doctest: +ELLIPSIS
<function run at ...>

Subpackages are attributes as well, e.g. `vfl_jax.attacks.ATTACKS`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from vfl_jax.experiments.result import Result
  from vfl_jax.experiments.dispatch import run
  from vfl_jax.config.schema import defaults
  from vfl_jax.config.files import load as load_config
  from vfl_jax.information.estimate import mutual_information
  from vfl_jax.results.pages import compare

__version__ = "0.1.0"

__all__ = [
  "Result",
  "compare",
  "defaults",
  "load_config",
  "mutual_information",
  "run",
]

# imported on first use, so that a launcher never imports jax
_NAMES = {
  "Result": "experiments.result.Result",
  "compare": "results.pages.compare",
  "defaults": "config.schema.defaults",
  "load_config": "config.files.load",
  "mutual_information": "information.estimate.mutual_information",
  "run": "experiments.dispatch.run",
}
_ROOMS = (
  "attacks",
  "config",
  "data",
  "defenses",
  "evaluation",
  "experiments",
  "federation",
  "information",
  "models",
  "results",
  "runtime",
)


def __getattr__(name: str) -> Any:
  if name in _NAMES:
    room, _, attribute = _NAMES[name].rpartition(".")
    return getattr(importlib.import_module(f"vfl_jax.{room}"), attribute)
  if name in _ROOMS:
    return importlib.import_module(f"vfl_jax.{name}")
  raise AttributeError(f"module 'vfl_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
  return sorted([*__all__, *_ROOMS, "__version__"])
