"""Configs: keys and defaults, files, the registry of builders, identity.

Nothing here imports jax or reads data: neither a launcher nor the refusal of a
config needs them.
"""

from vfl_jax.config.files import load
from vfl_jax.config.schema import defaults
from vfl_jax.config.schema import model

__all__ = ["defaults", "load", "model"]
