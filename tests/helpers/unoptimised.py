"""How tests compile: without optimisation, in a quarter of the time.

Most of the time of a test is XLA's. Tests marked `numbers` run once more as
users compile, with `XLA_FLAGS=""` (`.ci/run optimised`).
"""

from importlib import metadata

# an XLA that does not know a flag ends the process
_OLD = tuple(map(int, metadata.version("jaxlib").split(".")[:2])) < (0, 11)

FLAGS = (
  "--xla_backend_optimization_level=0",
  *(("--xla_cpu_use_fusion_emitters=false",) if _OLD else ()),
  # without fused multiply-adds: here two copies of one sum differed by them,
  # and then no entry of a window was equal to its maximum
  "--xla_cpu_max_isa=AVX",
)
