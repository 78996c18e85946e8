"""What may be asked for: keys, defaults, files, the registry, identity.

No jax here, and no data: a launcher and a refused config need neither.
"""

from vfl_jax.config.files import load
from vfl_jax.config.schema import defaults
from vfl_jax.config.schema import model

__all__ = ["defaults", "load", "model"]
