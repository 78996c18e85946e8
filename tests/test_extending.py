"""A package outside of this repository brings one of everything."""

import pytest

from configs import common
from vfl_jax import config as configs
from vfl_jax import experiment
from vfl_jax import registry
from vfl_jax import tables

PACKAGE = {
  "attack": """
import jax.numpy as jnp
from vfl_jax import types


def build(*, favourite: int = 1) -> types.Attack:
  def infer(key, view):
    classes = view.public.num_classes
    guess = lambda x: jnp.tile(jnp.eye(classes)[favourite], (len(x), 1))
    return types.Inference(guess(view.train), guess(view.test))

  return types.Attack(frozenset(), infer, "one guess")
""",
  "defense": """
from vfl_jax import defenses
from vfl_jax import ports


def build(*, scale: float = 0.5) -> ports.Defense:
  return defenses.build("gaussian", scale=scale)
""",
  "model": """
from vfl_jax import models


def build(num_classes: int, *, norm: str = "batch", width: int = 8):
  return models.build("mlp", num_classes, norm=norm, hidden=(width,))
""",
  "data": """
import numpy as np
import pandas as pd
from vfl_jax import types
from vfl_jax.data import raw


class Signs:
  def __init__(self, config):
    del config

  def describe(self) -> types.Header:
    return types.Header("signs", "table", 300, 6, 2)

  def read(self) -> raw.Raw:
    x = np.random.default_rng(0).normal(size=(300, 6))
    labels = (x[:, 0] + x[:, 5] > 0).astype(int)
    columns = [f"c{k}" for k in range(6)]
    return raw.Raw("signs", "table", pd.DataFrame(x, columns=columns), labels)
""",
  "estimator": """
from vfl_jax.information import bounds


def build(num_classes: int, *, hidden: int = 8):
  return bounds.classifier(num_classes, hidden=hidden)
""",
  "task": """
from vfl_jax import tasks


def build(num_classes: int) -> tasks.Task:
  return tasks.permute(num_classes)
""",
}


@pytest.fixture
def outside(tmp_path, monkeypatch):
  package = tmp_path / "outside_pkg"
  package.mkdir()
  (package / "__init__.py").touch()
  for name, text in PACKAGE.items():
    (package / f"{name}.py").write_text(text, "utf-8")
  monkeypatch.syspath_prepend(str(tmp_path))


def test_one_of_everything_from_another_package(outside, tmp_path, capsys):
  config = common.experiment("outside", "step")
  config.data.name = "outside_pkg.data:Signs"
  config.model = configs.model("outside_pkg.model:build", width=4)
  config.task = {"name": "outside_pkg.task:build"}
  config.defenses = ({"name": "outside_pkg.defense:build", "scale": 0.1},)
  config.attacks = (
    {"name": "outside_pkg.attack:build", "favourite": 0, "label": "mine"},
  )
  config.information.estimators = ("outside_pkg.estimator:build",)
  config.information.samples = 60
  config.seeds = 1
  config.compensation = ()
  folder = tmp_path / "run"
  experiment.run(configs.validate(config), folder)
  attacks = tables.read(folder, "attacks")
  assert set(attacks["rule"]) == {"outside_pkg.attack:build"}
  assert set(attacks["attack"]) == {"mine"}
  found = set(tables.read(folder, "information")["estimator"])
  assert found == {"outside_pkg.estimator:build"}
  # code that a config names is said before it runs, once
  said = capsys.readouterr().err
  for name in ("attack", "defense", "model", "estimator", "task"):
    assert said.count(f"code of its own: {name} outside_pkg.{name}:build") == 1
  assert said.count("data set outside_pkg.data:Signs") == 1


def test_options_of_others_are_checked_like_our_own(outside):
  with pytest.raises(ValueError, match="favourite is 'x'; it takes int"):
    registry.build("attack", {}, "outside_pkg.attack:build", favourite="x")
  with pytest.raises(ValueError, match="did you mean 'favourite'"):
    registry.build("attack", {}, "outside_pkg.attack:build", favorite=1)
  with pytest.raises(ValueError, match="could not be loaded"):
    registry.build("attack", {}, "outside_pkg.nothing:build")
