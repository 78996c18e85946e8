"""A package outside of this repository brings one of everything."""

import pathlib
import re

import pytest

from configs.shared import common
from vfl_jax.config import registry
from vfl_jax.config import schema
from vfl_jax.experiments import experiment
from vfl_jax.experiments.validation import validate
from vfl_jax.results import tables

pytestmark = pytest.mark.usefixtures("without_figures")

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "extending.md"
# the files that the page shows, as they stand there
PACKAGE = dict(
  re.findall(
    r'```python title="my_pkg/(\w+)\.py"\n(.*?)```',
    PAGE.read_text("utf-8"),
    re.DOTALL,
  )
)
KINDS = ("attack", "defense", "model", "data", "estimator", "task")


@pytest.fixture
def outside(tmp_path, monkeypatch):
  assert set(PACKAGE) == set(KINDS)
  package = tmp_path / "my_pkg"
  package.mkdir()
  (package / "__init__.py").touch()
  for name, text in PACKAGE.items():
    (package / f"{name}.py").write_text(text, "utf-8")
  monkeypatch.syspath_prepend(str(tmp_path))


def test_one_of_everything_from_another_package(outside, tmp_path, capsys):
  config = common.experiment("outside", "step")
  config.data.name = "my_pkg.data:Signs"
  config.model = schema.model("my_pkg.model:build", width=4)
  config.task = {"name": "my_pkg.task:build"}
  config.defenses = ({"name": "my_pkg.defense:build", "bits": 4},)
  config.attacks = (
    {"name": "my_pkg.attack:build", "power": 1, "label": "mine"},
  )
  config.information.estimators = ("my_pkg.estimator:build",)
  config.information.samples = 60
  config.seeds = 1
  config.compensation = ()
  folder = tmp_path / "run"
  experiment.run(validate.validate(config), folder)
  attacks = tables.read(folder, "attacks")
  assert set(attacks["rule"]) == {"my_pkg.attack:build"}
  assert set(attacks["attack"]) == {"mine"}
  found = set(tables.read(folder, "information")["estimator"])
  assert found == {"my_pkg.estimator:build"}
  # code that a config names is said before it runs, once
  said = capsys.readouterr().err
  for name in ("attack", "defense", "model", "estimator", "task"):
    assert said.count(f"code of its own: {name} my_pkg.{name}:build") == 1
  assert said.count("data set my_pkg.data:Signs") == 1


def test_options_of_others_are_checked_like_our_own(outside):
  with pytest.raises(ValueError, match="power is 'x'; it takes int"):
    registry.build("attack", {}, "my_pkg.attack:build", power="x")
  with pytest.raises(ValueError, match="did you mean 'power'"):
    registry.build("attack", {}, "my_pkg.attack:build", pover=1)
  with pytest.raises(ValueError, match="could not be loaded"):
    registry.build("attack", {}, "my_pkg.nothing:build")
