"""The house rules that a reader relies on, read off the import statements."""

import ast
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vfl_jax"

# each room may import rooms of earlier lines, never of its own line
LAYERS = [
  {
    "types",
    "registry",
    "rng",
    "tables",
    "schemas",
    "programs",
    "ports",
    "entries",
    "remembered",
    "hosts",
    "alike",
    "normalization",
  },
  {"mapping", "plots", "devices", "board"},
  {"nets", "report"},
  {
    "data",
    "tasks",
    "models",
    "defenses",
    "information",
    "attacks",
    "checkpoint",
    "optimizers",
    "console",
  },
  {"split", "recording", "trials"},
  {"protocol", "cost", "sealed"},
  {"train"},
  {"checks"},
  {"plan"},
  {"validation"},
  {"config"},  # the registries lazily, inside `validate`
  {"workdir"},
  {"lifecycle", "journal"},
  {"federation", "controls", "calibration", "evaluate"},
  {"samples"},
  {"compensation", "leakage", "malicious", "exposure", "alignment"},
  {"measure", "attacking", "guarding"},
  {"experiment"},
  {"pool", "questions"},
  {"study"},
  {"audit", "api"},
]


def room(path):
  return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
  """Rooms of this package that a file imports, anywhere in it."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text("utf-8"))):
    if isinstance(node, ast.ImportFrom) and node.module:
      parts = node.module.split(".")
      if parts[0] == "vfl_jax":
        names = [parts[1]] if parts[1:] else [a.name for a in node.names]
        found.update(names)
  return found


def test_imports_point_one_way():
  level = {name: i for i, layer in enumerate(LAYERS) for name in layer}
  files = [
    p
    for p in PACKAGE.rglob("*.py")
    if p.name != "__init__.py" or p.parent != PACKAGE
  ]
  assert len(files) > 30
  for path in files:
    own = room(path)
    for other in imports(path) - {own}:
      assert level[other] < level[own], f"{path.name} imports {other}"


def test_only_models_and_nets_import_flax_and_only_checkpoint_orbax():
  allowed = {"flax": {"models", "nets"}, "orbax": {"checkpoint"}}
  for path in PACKAGE.rglob("*.py"):
    text = path.read_text("utf-8")
    for library, rooms in allowed.items():
      if f"import {library}" in text or f"from {library}" in text:
        assert room(path) in rooms, path


def test_attacks_information_models_and_defenses_do_not_know_each_other():
  peers = {"data", "tasks", "models", "defenses", "information", "attacks"}
  for name in peers:
    for path in [*PACKAGE.glob(f"{name}/*.py"), *PACKAGE.glob(f"{name}.py")]:
      assert not imports(path) & (peers - {name}), path


def test_config_and_tables_import_without_jax():
  code = (
    "import sys; from vfl_jax import config, tables; config.defaults();"
    "assert 'jax' not in sys.modules and 'flax' not in sys.modules"
  )
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_config_is_refused_without_importing_what_only_a_run_needs():
  """Each of them takes a second; the answer comes in less than two."""
  code = (
    "import sys; from vfl_jax import config\n"
    "made = config.defaults(); made.model.cut = 99\n"
    "try: config.validate(made)\n"
    "except ValueError as error: assert 'take 0 to 8' in str(error)\n"
    "else: raise AssertionError('a cut of 99 was accepted')\n"
    "late = {'sklearn', 'scipy.stats', 'matplotlib', 'orbax', 'skimage'}\n"
    "assert not late & set(sys.modules), late & set(sys.modules)"
  )
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_main_is_a_doorway_and_files_are_short():
  assert len((ROOT / "main.py").read_text("utf-8").splitlines()) <= 70
  for path in PACKAGE.rglob("*.py"):
    assert len(path.read_text("utf-8").splitlines()) <= 340, path


def test_no_flags_below_main():
  for path in PACKAGE.rglob("*.py"):
    assert "absl" not in path.read_text("utf-8").replace('"absl"', ""), path
