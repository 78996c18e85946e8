"""Bad input: a sentence with value, range and fix, and exit code 2."""

import contextlib
import os
import pathlib
import subprocess
import sys

import ml_collections
import numpy as np
import pandas as pd
import pytest

from configs.shared import common
from vfl_jax.config import identity
from vfl_jax.config import schema
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import setup

ROOT = pathlib.Path(__file__).resolve().parents[2]

# dotted key, value, words of the sentence
BAD = [
  ("model.name", "mlpp", "did you mean 'mlp'"),
  ("model.hiden", (3,), "did you mean 'model.hidden'"),
  ("model.cut", 9, "mlp has 8 stages, so take 0 to 8"),
  ("model.cut", -2, "model.cut is -2"),
  ("model.norm", "btach", "did you mean 'batch'"),
  ("model.name", "transformer", "reads tokens, but digits gives image"),
  ("train.epochs", 0, "train.epochs is 0; it must be at least 1"),
  (
    "train.epochs",
    "ten",
    "train.epochs is 'ten', a str; it must be of type int",
  ),
  ("train.epochs", True, "a bool; it must be of type int"),
  ("train.learning_rate", -1.0, "must be > 0"),
  ("train.optimizer", "sdg", "did you mean 'sgd'"),
  ("train.batch_size", 5000, "larger than the 1212 training rows"),
  ("train.schedule", "cosin", "did you mean 'cosine'"),
  ("train.momentum", 1.0, "train.momentum is 1.0; it must be in [0, 1)"),
  ("train.boundaries", (0.5, 2.0), "each between 0 and 1"),
  ("train.overrides", ({"name": "party 2"},), "Known: party 0, party 1, top"),
  ("train.overrides", ({"name": "top", "rate": 1},), "unknown optimizer key"),
  (
    "train.overrides",
    ({"name": "top", "learning_rate": "x"},),
    "train.overrides of top: learning_rate is 'x', a str",
  ),
  ("train.overrides", ({"name": "top"},) * 2, "names 'top' twice"),
  ("data.parties", 9, "8 columns to hand out; take 1 to 8"),
  ("data.name", "digitz", "did you mean 'digits'"),
  ("data.name", "file", "data.path is empty"),
  ("data.path", "nowhere.csv", "'nowhere.csv' is not a file"),
  ("data.validation", 0.9, "data.validation is 0.9"),
  ("data.partition", "diagonal", "data.partition is 'diagonal'"),
  ("data.partition", "3,4", "adds up to 7"),
  ("evaluate.aux_per_class", 0, "0 auxiliary samples for 10 classes"),
  ("evaluate.aux_per_class", 500, "evaluate.aux_per_class is 500"),
  ("evaluate.metric", "auc", "digits has 10 classes; AUC is for 2"),
  ("attacks", ("passive_complet",), "did you mean 'passive_completion'"),
  ("attacks", ({"name": "passive_completion", "fold": 3},), "'fold'"),
  ("defenses", ("gausian",), "did you mean 'gaussian'"),
  ("defenses", ({"name": "cut", "advance": 7},), "model.cut is 4"),
  ("information.estimators", ({"name": "mine", "widht": 3},), "'widht'"),
  ("information.estimators", (3,), "must be a name or a dict"),
  ("attacks", ("passive_completion",) * 2, "listed twice"),
  ("model.hidden", 3, "hidden is 3; it takes Sequence[int]"),
  ("model.hidden", ("a",), "hidden is ('a',); it takes Sequence[int]"),
  ("model.hidden", (8, 0), "no size may be below 1"),
  ("model.embedding", -1, "model.embedding is -1"),
  ("model.name", 3, "model.name is 3; give a name"),
  ("seed", -1, "seed is -1; it must be at least 0"),
  ("record.epochs", (0.5,), "epochs are whole numbers"),
  ("defenses", ({"name": "gaussian", "scale": "x"},), "it takes float"),
  ("defenses", ({"name": "gaussian", "scale": -1.0},), "at least 0"),
  ("defenses", ({"name": "compression", "share": 0.0},), "at most 1"),
  ("defenses", ("marvell",), "two classes"),
  ("defenses", ({"name": "kdk", "k": 11},), "2 to 10"),
  ("task.groups", 2, "unknown option of task 'identity' 'groups'"),
  ("information.estimators", ({"name": "mine", "steps": 0},), "steps is 0"),
  ("information.estimators", ("mines",), "did you mean 'mine'"),
  ("task.name", "permut", "did you mean 'permute'"),
  ("task.name", "nope:nothing", "could not be loaded"),
  ("seeds", 0, "seeds is 0; it must be at least 1"),
  ("record.epochs", (30,), "allows 0 to 29"),
  ("precision", "float16", "Known: bfloat16, float32, tensorfloat32"),
]


def with_value(path, value, kind="experiment"):
  config = schema.defaults(kind)
  *sections, key = path.split(".")
  target = config
  for section in sections:
    target = target[section]
  with target.ignore_type(), target.unlocked():
    target[key] = value
  return config


@pytest.mark.parametrize("path, value, words", BAD)
def test_refused_before_anything_is_compiled(path, value, words):
  with pytest.raises((ValueError, FileNotFoundError)) as error:
    validate.validate(with_value(path, value))
  assert words in str(error.value)
  assert "\n" not in str(error.value)


# of a wrong kind nearly everywhere, and of a wrong shape where they are not
ODD = (
  *(None, 3, 0.5, "x", True, (), ("x",), (None,), ({},), ((0, "1"),), ([],)),
  *({"a": 1}, ({"name": ["x"]},), ({"name": "norm", "steps": [1]},)),
)


def keys(section, prefix=""):
  for key, value in section.items():
    yield prefix + key
    if isinstance(value, ml_collections.ConfigDict):
      yield from keys(value, f"{prefix}{key}.")


@pytest.mark.parametrize("kind", ["experiment", "calibration", "audit"])
def test_odd_values_are_refused_in_a_sentence_wherever_they_stand(kind):
  """Not by catching TypeErrors, which would hide our own."""
  for path in keys(schema.defaults(kind)):
    for value in ODD:
      config = with_value(path, value, kind)
      with contextlib.suppress(ValueError, FileNotFoundError):
        validate.validate(config)


def test_a_fault_of_a_user_s_builder_is_shown_as_it_is(tmp_path, monkeypatch):
  """Its TypeError is neither reworded nor raised by a second call."""
  (tmp_path / "faulty.py").write_text(
    "calls = []\n"
    "def build(num_classes, *, norm: str = '', width: int = 3):\n"
    "  calls.append(width)\n"
    "  return None + width\n"
  )
  monkeypatch.syspath_prepend(tmp_path)
  config = with_value("model.name", "faulty:build")
  with pytest.raises(TypeError, match="unsupported operand"):
    validate.validate(config)
  import faulty  # pyright: ignore

  assert faulty.calls == [3]


def test_validating_twice_changes_nothing():
  config = with_value("defenses", ("cut",))
  once = validate.validate(config)
  assert identity.digest(validate.validate(once)) == identity.digest(once)
  assert setup.prepare(once).net.cut == 3


def test_auc_is_allowed_where_the_task_has_two_classes():
  config = with_value("evaluate.metric", "auc")
  config.task.name = "merge"
  assert validate.validate(config).evaluate.metric == "auc"


def test_an_unknown_key_has_a_near_match():
  config = schema.defaults()
  config.train.epoch = 3
  with pytest.raises(ValueError, match="did you mean 'train.epochs'"):
    validate.validate(config)


def test_an_attack_whose_needs_are_not_met_is_refused(monkeypatch):
  from vfl_jax import attacks
  from vfl_jax.attacks import base

  needy = base.Attack(frozenset({"gradients"}), lambda k, v: None, "none")
  monkeypatch.setitem(attacks.ATTACKS, "needy", lambda *, steps: needy)
  config = with_value("attacks", ("needy",))
  with pytest.raises(ValueError, match="'needy' cannot run.*record.epochs"):
    validate.validate(config)


@pytest.mark.parametrize(
  "arg, words",
  [
    ("cpus", "Did you mean 'cpu'"),
    ("train.epoch=3", "Did you mean 'epochs'"),
    ("nothing.at.all=3", "unknown config key 'nothing.at.all'"),
  ],
)
def test_config_arguments(arg, words):
  with pytest.raises(ValueError, match=words):
    common.experiment("x", arg)


def test_a_file_without_the_label_or_id_column(tmp_path):
  path = tmp_path / "t.csv"
  pd.DataFrame({"a": np.arange(50.0), "target": np.arange(50) % 2}).to_csv(
    path, index=False
  )
  config = with_value("data.path", str(path))
  with pytest.raises(ValueError, match="data.label 'label';.*Known: a, target"):
    validate.validate(config)
  config.data.label, config.data.id = "target", "key"
  with pytest.raises(ValueError, match="data.id 'key'"):
    validate.validate(config)


def test_a_workdir_of_another_config_or_that_cannot_be_written(tmp_path):
  config = schema.defaults()
  lifecycle.claim(config, tmp_path / "w")
  lifecycle.claim(config, tmp_path / "w")
  config.train.epochs = 3
  with pytest.raises(ValueError, match="train.epochs was 30, is 3"):
    lifecycle.claim(config, tmp_path / "w")
  (tmp_path / "file").write_text("x")
  with pytest.raises(ValueError, match="cannot be written"):
    lifecycle.claim(config, tmp_path / "file" / "w")


def main(*flags, **environment):
  return subprocess.run(
    [sys.executable, str(ROOT / "main.py"), *flags],
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
    env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
  )


CASES = [
  (["--config.train.epoch=3"], "Did you mean 'epochs'"),
  (["--config.train.epochs=ten"], "'ten', a str; it must be of type int"),
  (["--config.model.hidden=3"], "hidden is 3; it takes Sequence[int]"),
  (["--config.model.cut=99"], "mlp has 8 stages"),
  (["--config=configs/cifar10_cut.py"], "cifar10_cut1.py"),
  (["--config=configs/default.py:gpu"], "take cpu, step or KEY=VALUE"),
  (["--confg=configs/default.py"], "confg"),
  (["--config.train.epochs", "3"], "--config.train.epochs=VALUE"),
  (["extra"], "unknown argument 'extra'"),
  (["--config.data.path=none.csv"], "is not a file"),
  (["--workdir=/dev/null/w"], "cannot be written"),
]


@pytest.mark.slow
@pytest.mark.parametrize("flags, words", CASES)
def test_command_line_exits_with_2_and_a_sentence(flags, words):
  done = main(*flags)
  assert done.returncode == 2, done.stderr
  assert done.stderr.startswith("error: ")
  assert words in done.stderr
  assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_set_that_is_not_there_is_refused_within_seconds(tmp_path):
  done = main("--config=configs/cifar10_cut1.py", TFDS_DATA_DIR=str(tmp_path))
  assert done.returncode == 2
  assert "download_and_prepare" in done.stderr


@pytest.mark.slow
def test_divergence_stops_with_its_status_and_what_it_had(tmp_path):
  done = main(
    "--config.train.learning_rate=1e9",
    "--config.model.norm=none",
    f"--workdir={tmp_path}",
  )
  assert done.returncode == 1
  assert "not finite" in done.stderr and "Traceback" not in done.stderr
  assert '"diverged"' in (tmp_path / "status.json").read_text()
