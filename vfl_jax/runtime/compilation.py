"""Compiled programs: counts them, caches them on disk, drops them in time."""

import os
import pathlib
import threading
from typing import NamedTuple

import jax
from jax import monitoring

_MAPS = pathlib.Path("/proc/self/maps")
_LIMIT = pathlib.Path("/proc/sys/vm/max_map_count")
_FULL = 0.5  # share of the memory maps that a process may have
_COMPILED = "/jax/core/compile/backend_compile_duration"
_FOUND = "/jax/compilation_cache/cache_hits"


class Ledger(NamedTuple):
  """Counts of compiled programs.

  Attributes:
    programs: number of programs requested, one per shape and function.
    found: number of them found in the cache on disk.
    seconds: time spent on tracing, lowering, compiling and looking up.
  """

  programs: int = 0
  found: int = 0
  seconds: float = 0.0

  def since(self, before: "Ledger") -> "Ledger":
    """The difference to an earlier ledger."""
    return Ledger(*(now - then for now, then in zip(self, before, strict=True)))

  def plus(self, more: "Ledger") -> "Ledger":
    """The sum of two ledgers."""
    return Ledger(*(a + b for a, b in zip(self, more, strict=True)))

  def __str__(self) -> str:
    many = "" if self.programs == 1 else "s"
    return (
      f"{self.programs} program{many} in {self.seconds:.1f} s, {self.found} "
      "of them found in the cache"
    )


_ledger = Ledger()
_writing = threading.Lock()  # several threads may compile


def ledger() -> Ledger:
  """What this process has compiled so far."""
  return _ledger


def _add(more: Ledger) -> None:
  global _ledger
  with _writing:
    _ledger = _ledger.plus(more)


def _took(event: str, seconds: float, **_) -> None:
  if event.startswith("/jax/core/compile/"):
    _add(Ledger(programs=int(event == _COMPILED), seconds=seconds))


def _happened(event: str, **_) -> None:
  if event == _FOUND:
    _add(Ledger(found=1))


monitoring.register_event_duration_secs_listener(_took)
monitoring.register_event_listener(_happened)


def use_cache() -> None:
  """Keeps compiled programs between processes, in the user's cache folder.

  JAX_COMPILATION_CACHE_DIR names another folder; if empty, no cache is used.
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
  """Drops this process's programs if they use many of its memory maps.

  XLA maps the code of every CPU program about 25 times, and Linux allows a
  process 65,530 maps by default; beyond that the process dies without a
  message. Dropped programs are compiled again or read from the cache.

  Args:
    full: share of the allowed maps from which on programs are dropped.

  Returns:
    Whether programs were dropped; False if the system does not show its maps.
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
