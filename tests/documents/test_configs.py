"""Every config in the folder: its docstring, its profiles, its validity."""

import importlib
import pathlib

import pytest

from vfl_jax.config import identity
from vfl_jax.config import schema
from vfl_jax.experiments import dry_run
from vfl_jax.experiments.validation import validate

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
