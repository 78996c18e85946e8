"""Fixtures: real data where it lies beside the checkout."""

import gc
import os
import pathlib

import jaxtyping
import pytest
import threadpoolctl

from tests.helpers import checked, unoptimised

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", " ".join(unoptimised.FLAGS))
# what one worker has compiled the others find, and the next run
os.environ.setdefault(
  "JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "programs")
)
# where a line of Python ends up in a program is of no use here
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
# tracing makes many small objects that live on; to look through all of them
# for cycles every few thousand takes a seventh of the time
gc.set_threshold(100_000, 50, 100)
if "PYTEST_XDIST_WORKER" in os.environ:
  # workers share the cores: threads of linear algebra that wait for each other
  # in circles take five times as long
  share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
  os.environ["OPENBLAS_NUM_THREADS"] = str(max(1, share))  # of what comes later
  threadpoolctl.threadpool_limits(max(1, share))

# shapes in signatures are checked in tests, and only there
jaxtyping.install_import_hook(
  [
    "vfl_jax.models",
    "vfl_jax.attacks",
    "vfl_jax.defenses",
    "vfl_jax.information",
    "vfl_jax.federation",
    "vfl_jax.runtime.trees",
    "vfl_jax.evaluation.metrics",
    "vfl_jax.evaluation.scoring",
    "vfl_jax.evaluation.controls",
  ],
  f"{checked.__name__}.outermost",
)

from vfl_jax.results import figures  # noqa: E402
from vfl_jax.runtime import compilation  # noqa: E402
from vfl_jax.runtime import memo  # noqa: E402

compilation.use_cache()


@pytest.fixture(autouse=True)
def _room_for_programs():
  """The suite compiles more than a process may map, see `make_room`."""
  yield
  compilation.make_room()


@pytest.fixture(autouse=True)
def _own_programs(request):
  """What a test changes in the code is in no program of another test."""
  changes = "monkeypatch" in request.fixturenames
  if changes:
    memo.forget()
  yield
  if changes:
    memo.forget()


@pytest.fixture
def without_figures(monkeypatch):
  """Reports without figures, which take longer than a tiny experiment."""
  monkeypatch.setattr(figures, "write", lambda workdir: {})


@pytest.fixture(scope="session")
def tfds_dir():
  """A folder of prepared TFDS sets; skips, with the reason, without one."""
  for place in (os.environ.get("TFDS_DATA_DIR"), SHARED / "tfds"):
    if place and (pathlib.Path(place) / "cifar10").is_dir():
      return str(place)
  pytest.skip("no prepared cifar10 in $TFDS_DATA_DIR or ../shared/data/tfds")


@pytest.fixture(scope="session")
def tables_dir():
  """A folder of real Parquet tables; skips, with the reason, without one."""
  if not (SHARED / "tables" / "adult.parquet").is_file():
    pytest.skip("no adult.parquet in ../shared/data/tables")
  return SHARED / "tables"
