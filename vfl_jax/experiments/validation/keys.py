"""Checks of the keys of a config and of the types of their values."""

import ml_collections

from vfl_jax.config import registry


def keys(config, reference, prefix, options):
  """Check that a section has all keys of its reference, with their types.

  Args:
    config: a config, or one of its sections.
    reference: a section with all keys and values of the right types.
    prefix: path of the section, with a dot at its end; for messages.
    options: further keys that the section `model` may have.

  Raises:
    ValueError: a key is unknown or missing, or a value has the wrong type.
  """
  for key, value in config.items():
    if prefix == "task." and key != "name":
      continue  # the task's own keywords, checked by its builder
    if key not in reference:
      if prefix == "model." and key in options:
        continue
      possible = set(reference) | (
        set(options) if prefix == "model." else set()
      )
      raise ValueError(
        registry.unknown(
          "config key", prefix + key, {prefix + k for k in possible}
        )
      )
    expected = reference[key]
    if isinstance(expected, ml_collections.ConfigDict):
      if not isinstance(value, ml_collections.ConfigDict):
        raise ValueError(f"{prefix}{key} is {value!r}; make it a section.")
      keys(value, expected, f"{prefix}{key}.", options)
      continue
    allowed: tuple[type, ...] = (type(expected),)
    if isinstance(expected, float):
      allowed = (float, int)
    if f"{prefix}{key}" in ("data.path", "data.partition"):
      allowed = (str, tuple, list)
    if isinstance(expected, tuple):
      allowed = (tuple, list)
    wrong = not isinstance(value, allowed) or (
      isinstance(value, bool) and not isinstance(expected, bool)
    )
    if wrong:
      names = " or ".join(t.__name__ for t in allowed)
      raise ValueError(
        f"{prefix}{key} is {value!r}, a {type(value).__name__}; it must be "
        f"of type {names}."
      )
  for key in reference:
    if key not in config and not prefix.startswith("model."):
      raise ValueError(
        f"config key {prefix + key!r} is missing; start from "
        "vfl_jax.config.defaults()."
      )
