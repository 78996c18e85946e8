"""Compiled programs: counted, kept between processes, dropped in time."""

import os
import pathlib
from typing import NamedTuple

import jax
from jax import monitoring

_MAPS = pathlib.Path("/proc/self/maps")
_LIMIT = pathlib.Path("/proc/sys/vm/max_map_count")
_FULL = 0.5  # of the maps a process may have
_COMPILED = "/jax/core/compile/backend_compile_duration"
_FOUND = "/jax/compilation_cache/cache_hits"


class Ledger(NamedTuple):
  """What this process has compiled.

  Attributes:
    programs: asked for, one per shape and function.
    found: of them, in the cache that is kept between processes.
    seconds: of tracing, lowering, compiling and looking up.
  """

  programs: int = 0
  found: int = 0
  seconds: float = 0.0

  def since(self, before: "Ledger") -> "Ledger":
    """What was added."""
    return Ledger(*(now - then for now, then in zip(self, before, strict=True)))

  def plus(self, more: "Ledger") -> "Ledger":
    """Both together."""
    return Ledger(*(a + b for a, b in zip(self, more, strict=True)))

  def __str__(self) -> str:
    many = "" if self.programs == 1 else "s"
    return (
      f"{self.programs} program{many} in {self.seconds:.1f} s, {self.found} "
      "of them found in the cache"
    )


_ledger = Ledger()


def ledger() -> Ledger:
  """What this process has compiled so far."""
  return _ledger


def _took(event: str, seconds: float, **_) -> None:
  global _ledger
  if event.startswith("/jax/core/compile/"):
    _ledger = _ledger._replace(
      programs=_ledger.programs + (event == _COMPILED),
      seconds=_ledger.seconds + seconds,
    )


def _happened(event: str, **_) -> None:
  global _ledger
  if event == _FOUND:
    _ledger = _ledger._replace(found=_ledger.found + 1)


monitoring.register_event_duration_secs_listener(_took)
monitoring.register_event_listener(_happened)


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
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def make_room(full: float = _FULL) -> bool:
  """Drop this process's programs where they take much of its memory maps.

  XLA maps the code of every program of the CPU some 25 times, and Linux lets
  a process have 65,530 maps by default: beyond that the process dies without
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
