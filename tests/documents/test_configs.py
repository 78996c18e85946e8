"""Every config in the folder: its docstring, its profiles, its validity."""

import importlib
import pathlib

import pytest

import vfl_jax
from vfl_jax.config import identity
from vfl_jax.config import schema
from vfl_jax.experiments import dry_run
from vfl_jax.experiments.validation import validate
from vfl_jax.results import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = sorted(
  p.relative_to(ROOT / "configs").with_suffix("").as_posix()
  for p in (ROOT / "configs").rglob("*.py")
  if p.stem != "__init__" and p.parent.name != "shared"
)


def _module(name):
  return importlib.import_module(f"configs.{name.replace('/', '.')}")


@pytest.mark.parametrize("name", NAMES)
def test_docstring_has_the_command_and_a_result(name):
  module = _module(name)
  text = module.__doc__
  command = "main.py" if name == "default" else f"--config=configs/{name}.py"
  assert command in text
  assert "RESULT" not in text
  body = (ROOT / "configs" / f"{name}.py").read_text("utf-8")
  code = body.split('"""', 2)[2].strip().splitlines()
  # studies have bases, an audit has kinds of data
  a_study = "studies" in body or "strengths" in body or name == "audit"
  assert len(code) <= (60 if a_study else 30)


def _point(config, request):
  """Tell a config where the real data are; skips without them."""
  source = config.data.name
  if source in ("adult", "credit_default", "file"):
    tables = request.getfixturevalue("tables_dir")
    file = "criteo_sample" if source == "file" else source
    config.data.path = str(tables / f"{file}.parquet")
  elif source == "ag_news":
    tables = request.getfixturevalue("tables_dir")
    config.data.path = str(tables.parent / "text" / "ag_news_10k.parquet")
    config.data.text = "text"
  elif source not in ("digits", "breast_cancer"):
    config.data.data_dir = request.getfixturevalue("tfds_dir")


@pytest.mark.parametrize("name", NAMES)
def test_profiles_are_marked_and_validate_on_real_headers(
  name, request, monkeypatch
):
  module = _module(name)
  for arg in ("", "cpu", "step"):
    config = module.get_config(arg)
    assert config.profile == (arg or "full")
    for experiment_config in config.get("bases", {"": config}).values():
      if "data" in experiment_config:
        _point(experiment_config, request)
    checked = validate.validate(config)
    assert checked.profile == config.profile
    if config.kind != "experiment":
      continue
    assert checked.model.cut >= 0
    assert len(identity.digest(checked)) == 8
  if "seeds" in module.get_config(""):
    assert module.get_config("seeds=1").seeds == 1
  if "model" in module.get_config(""):
    assert module.get_config("cut=1").model.cut == 1


# the others differ from these only in a data set and an architecture that run
STANDING_FOR_OTHERS = {
  *("adult_mlp", "ag_news_transformer", "breast_cancer_deepfm", "cifar10_mlp"),
  *("credit_default_mlp", "criteo_deepfm", "digits_lenet", "digits_resnet20"),
  *("digits_vgg", "fashion_mnist_mlp", "trec_transformer"),
}
BASELINES = {n.removeprefix("baselines/") for n in NAMES if "baselines" in n}
RUN = [
  n
  for n in NAMES
  if n.removeprefix("baselines/") not in BASELINES - STANDING_FOR_OTHERS
]


@pytest.mark.parametrize("part", [0, 1], ids=["data", "architecture"])
def test_every_data_set_and_architecture_of_the_baselines_is_run(part):
  of = lambda names: {n.rsplit("_", 1)[part] for n in names}
  assert of(STANDING_FOR_OTHERS) == of(BASELINES)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_configs_run_for_one_step(name, request, tmp_path):
  config = _module(name).get_config("step")
  for one in config.get("bases", {"": config}).values():
    if "data" in one:
      _point(one, request)
  if "workers" in config:
    config.workers = 1  # other tests have the other core
  result = vfl_jax.run(config, tmp_path)
  assert result.report.stat().st_size > 10_000
  if "cells" in config:
    assert tables.read(tmp_path, "failed").empty


def test_dry_run_prints_what_hand_counts_give(capsys, monkeypatch):
  monkeypatch.setenv("COLUMNS", "140")
  config = schema.defaults()
  dry_run.dry_run(validate.validate(config))
  out = capsys.readouterr().out
  # party: dense1 32 -> 128 with batch norm; wire: ten float32 each way
  assert f"{32 * 128 + 128 + 256:,}" in out
  assert "40 B" in out and "on the wire" in out


def test_json_round_trip():
  config = schema.defaults()
  again = identity.from_json(identity.as_json(config))
  assert identity.digest(again) == identity.digest(config)
  assert again.attacks == config.attacks
