"""The notebooks: clean in git, run from top to bottom, with their figures."""

import ast
import base64
import json
import pathlib

import pytest

COLABS = pathlib.Path(__file__).resolve().parents[2] / "colabs"
FIGURES = {
  "quickstart": 3,
  "information": 3,
  "attacks_and_defenses": 2,
  "audit": 2,
}
# what a notebook may use beside the package's own names
USUAL = {"IPython", "jax", "json", "matplotlib", "numpy", "pandas", "sklearn"}


def cells(name, kind="code"):
  notebook = json.loads((COLABS / f"{name}.ipynb").read_text("utf-8"))
  return [c for c in notebook["cells"] if c["cell_type"] == kind]


def text(cell):
  return "".join(cell["source"])


def test_all_notebooks_are_known():
  assert {p.stem for p in COLABS.glob("*.ipynb")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_notebooks_are_stripped_installed_first_and_open_in_colab(name):
  for cell in cells(name):
    assert cell["outputs"] == [] and cell["execution_count"] is None
  first = text(cells(name)[0])
  assert "%pip install" in first and "import vfl_jax" in first
  badge = text(cells(name, "markdown")[0])
  assert f"/vfl_jax/blob/main/colabs/{name}.ipynb" in badge


@pytest.mark.parametrize("name", FIGURES)
def test_notebooks_import_the_package_and_usual_libraries(name):
  for cell in cells(name)[1:]:
    for node in ast.walk(ast.parse(text(cell))):
      if isinstance(node, ast.Import):
        assert {a.name.split(".")[0] for a in node.names} <= USUAL
      if isinstance(node, ast.ImportFrom):
        assert node.module.split(".")[0] in {*USUAL, "vfl_jax"}


# every cell as it stands, of trainings and measurements that are shorter
SHORTER = """
import vfl_jax

_run = vfl_jax.run

def _shorter(config, workdir):
  config.seeds, config.data.resplit = 2, False
  config.train.epochs = min(config.train.epochs, 8)
  config.evaluate.update(attack_steps=20, ceiling_steps=20)
  config.information.update(steps=40, samples=400)
  if "audit" in config:
    config.attacks = ("passive_completion", "feature_inversion")
    config.audit.cuts = config.audit.cuts[:2]
  return _run(config, workdir)

vfl_jax.run = _shorter
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_notebooks_run_from_top_to_bottom(name, tmp_path):
  nbclient = pytest.importorskip(
    "nbclient", reason="pip install -e '.[notebook]'"
  )
  nbformat = pytest.importorskip("nbformat")
  pytest.importorskip("ipykernel")
  notebook = nbformat.read(COLABS / f"{name}.ipynb", as_version=4)
  notebook.cells.insert(0, nbformat.v4.new_code_cell(SHORTER))
  client = nbclient.NotebookClient(
    notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
  )
  client.execute()
  pictures = [
    base64.b64decode(output["data"]["image/png"])
    for cell in notebook.cells
    if cell.cell_type == "code"
    for output in cell.outputs
    if "image/png" in output.get("data", {})
  ]
  assert len(pictures) == FIGURES[name]
  for picture in pictures:
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000
