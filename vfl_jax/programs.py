"""Compiled programs: kept between processes, dropped before they fill one."""

import os
import pathlib

import jax

_MAPS = pathlib.Path("/proc/self/maps")
_LIMIT = pathlib.Path("/proc/sys/vm/max_map_count")
_FULL = 0.5  # of the maps a process may have


def use_cache() -> None:
  """Keep compiled programs between processes, in the user's cache folder.

  JAX_COMPILATION_CACHE_DIR names another folder; empty switches it off.
  """
  default = pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache"
  ).expanduser()
  folder = os.environ.get(
    "JAX_COMPILATION_CACHE_DIR", str(default / "vfl_jax" / "programs")
  )
  if folder:
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def make_room(full: float = _FULL) -> bool:
  """Drop this process's programs where they take much of its memory maps.

  XLA maps the code of every program of the CPU some 25 times, and Linux lets
  a process have 65,530 maps by default: behind that the process dies without
  a word. What is needed again is compiled again, or comes from the cache.

  Args:
    full: share of the allowed maps from which on programs are dropped.

  Returns:
    Whether they were; False where the system does not tell.
  """
  try:
    taken = _MAPS.read_bytes().count(b"\n")
    allowed = int(_LIMIT.read_text())
  except (OSError, ValueError):
    return False
  if taken < full * allowed:
    return False
  jax.clear_caches()
  return True
