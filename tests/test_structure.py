"""The house rules that a reader relies on, read off the import statements."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vfl_jax"

# what each package imports of the others; a row only names earlier rows
ARROWS = {
  "config": (),
  "results": (),
  "runtime": (),
  "data": ("config", "runtime"),
  "models": ("config", "runtime"),
  "attacks": ("config", "runtime", "models"),
  "defenses": ("config", "runtime", "models"),
  "information": ("config", "results", "runtime", "models"),
  "federation": (
    "config",
    "runtime",
    "data",
    "models",
    "attacks",
    "defenses",
  ),
  "evaluation": (
    "config",
    "results",
    "runtime",
    "models",
    "attacks",
    "defenses",
    "information",
    "federation",
  ),
  "experiments": (
    "config",
    "results",
    "runtime",
    "data",
    "models",
    "attacks",
    "defenses",
    "information",
    "federation",
    "evaluation",
  ),
}
WITHOUT_JAX = ("config", "results")
# libraries that only these packages or modules import
ONLY = {
  "flax": ("models",),
  "orbax": ("experiments/checkpoints.py",),
  "absl": (),
}

_BLOCKED = """
import sys
class Blocked:
  def find_spec(self, name, path=None, target=None):
    if name.split(".")[0] in ("jax", "jaxlib", "flax", "optax", "orbax"):
      raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import importlib
"""


def packages():
  return {p.name: p for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}


def imported(path):
  """Packages of the house that a file imports, anywhere in it."""
  names = set()
  for node in ast.walk(ast.parse(path.read_text("utf-8"))):
    if isinstance(node, ast.ImportFrom) and node.module:
      parts = node.module.split(".")
      if parts[0] == "vfl_jax":
        names |= {parts[1]} if parts[1:] else {a.name for a in node.names}
    if isinstance(node, ast.Import):
      parts = [a.name.split(".") for a in node.names]
      names |= {p[1] for p in parts if p[0] == "vfl_jax" and p[1:]}
  return names


def run(code):
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_table_names_every_package_and_arrows_point_one_way():
  assert set(packages()) == set(ARROWS)
  rows = list(ARROWS)
  for name, others in ARROWS.items():
    assert all(rows.index(o) < rows.index(name) for o in others), name
  peers = {"attacks", "defenses", "information"}
  assert not any(peers & set(ARROWS[name]) for name in peers)


@pytest.mark.parametrize("name", ARROWS)
def test_a_package_imports_what_the_table_says(name):
  arrows = set()
  for path in (PACKAGE / name).rglob("*.py"):
    others = imported(path) - {name}
    assert others <= set(ARROWS[name]), path
    arrows |= others
  assert arrows == set(ARROWS[name])  # the table holds nothing that is not so


@pytest.mark.parametrize("library", ONLY)
def test_libraries_stay_where_they_belong(library):
  for path in PACKAGE.rglob("*.py"):
    name = path.relative_to(PACKAGE).as_posix()
    if name.startswith(ONLY[library]):
      continue
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
      names = []
      if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
      if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
      assert library not in [n.split(".")[0] for n in names], path


def test_config_results_and_every_config_file_do_without_jax():
  """A login node submits in a second; a report needs no accelerator."""
  modules = [
    ".".join(p.relative_to(ROOT).with_suffix("").parts)
    for name in WITHOUT_JAX
    for p in sorted((PACKAGE / name).rglob("*.py"))
    if p.name != "__main__.py"
  ]
  assert len(modules) > 40
  files = sorted((ROOT / "configs").rglob("*.py"))
  loaded = [
    p.relative_to(ROOT).as_posix()
    for p in files
    if "def get_config" in p.read_text("utf-8")
  ]
  assert len(loaded) > 30
  run(
    f"{_BLOCKED}\n"
    f"for name in {modules}: importlib.import_module(name)\n"
    "from vfl_jax.config import files\n"
    f"for path in {loaded}: files.load(path)\n"
  )


def test_a_config_is_refused_without_importing_what_only_a_run_needs():
  """Each of them takes a second; the answer comes in less than two."""
  run(
    "import sys\n"
    "from vfl_jax import config\n"
    "from vfl_jax.experiments.validation import validate\n"
    "made = config.defaults(); made.model.cut = 99\n"
    "try: validate.validate(made)\n"
    "except ValueError as error: assert 'take 0 to 8' in str(error)\n"
    "else: raise AssertionError('a cut of 99 was accepted')\n"
    "late = {'sklearn', 'scipy.stats', 'matplotlib', 'orbax', 'skimage'}\n"
    "assert not late & set(sys.modules), late & set(sys.modules)"
  )


def test_main_is_a_doorway_and_files_are_short():
  assert len((ROOT / "main.py").read_text("utf-8").splitlines()) <= 70
  for path in PACKAGE.rglob("*.py"):
    assert len(path.read_text("utf-8").splitlines()) <= 340, path
