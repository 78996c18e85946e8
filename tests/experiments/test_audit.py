"""The audit: what it plans, what it refuses, and what it says."""

import json

import pandas as pd
import pytest

from configs import audit as config_file
from tests.results import test_questions as examples
from vfl_jax.config import files
from vfl_jax.config import identity
from vfl_jax.experiments import audit as experiment_audit
from vfl_jax.experiments import study
from vfl_jax.experiments.validation import validate
from vfl_jax.results.answers import audit
from vfl_jax.results import figures
from vfl_jax.results import files as result_files
from vfl_jax.results import pages
from vfl_jax.results import tables

CUTS = {4: (0.3, 0.9, 0.1), 2: (0.1, 0.91, 0.4), 1: (0.0, 0.7, 0.9)}


def asked(**changes):
  config = config_file.get_config()
  files.assign(config, changes)
  return validate.validate(config)


def test_every_defence_is_tried_at_every_cut_and_the_usual_comes_first():
  noise = {"name": "gaussian", "scale": 0.01}
  config = asked(**{"audit.cuts": (1, 2), "audit.defenses": (noise, "sign")})
  cells = study.cells(validate.audited(config))
  labels = [(c.labels["cut"], c.labels["defense"]) for c in cells]
  noisy = "gaussian (scale=0.01)"
  assert labels == [
    (cut, defense)
    for defense in ("none", noisy, "sign")
    for cut in (config.model.cut, 1, 2)
  ]
  assert cells[0].asked.defenses == ()
  assert cells[4].asked.model.cut == 1
  assert dict(cells[4].asked.defenses[0]) == noise
  last = config.train.epochs - 1
  assert cells[0].asked.record.epochs == (0, last // 2, last)
  every = validate.audited(asked()).cells
  assert sorted(c["labels"]["cut"] for c in every) == list(range(8))


@pytest.mark.parametrize(
  "key, value, words",
  [
    ("audit.cuts", (9,), "the model has 7 stages, so take 0 to 7, or ()"),
    ("audit.cuts", (1, 1), "name each once"),
    ("audit.protect", "nobody", "take one of labels, features, both"),
    ("audit.max_leakage", 2.0, "a share in [0, 1]"),
    ("audit.max_bytes", -1, "audit.max_bytes is -1; it must be at least 0"),
    ("audit.defenses", ({"name": "cut", "advance": 1},), "leave 'cut' out"),
    ("audit.defenses", ("gausian",), "did you mean 'gaussian'"),
    ("audit.max_utility_los", 0.1, "did you mean 'max_utility_loss'"),
    ("data.path", "nowhere.parquet", "'nowhere.parquet' is not a file"),
  ],
)
def test_what_cannot_be_audited_is_refused(key, value, words):
  with pytest.raises((ValueError, FileNotFoundError)) as refused:
    asked(**{key: value})
  assert words.lower() in str(refused.value).lower()


def measured_by_hand(workdir, seeds=examples.SEEDS, **changes):
  """The tables of a study of three cuts, as if it had run."""
  parts = {n: [] for n in ("main", "leakage", "attacks", "exposure", "cost")}
  for cut, (leak, utility, exposed) in CUTS.items():
    key = {"cut": cut, "defense": "none"}
    for rows, n in (("test", 500), ("validation", 400)):
      shift = 0.0 if rows == "test" else 0.005
      row = examples.main_rows(key, utility + shift)
      parts["main"].append({**row, "rows": rows, "n": n})
    score = 0.5 + leak
    parts["attacks"] += examples.attack_rows(key, "norm", score)
    for rows, gain in (("train", leak), ("test", leak / 2)):
      parts["leakage"].append(
        {
          **key,
          "attack": "norm",
          "rule": "norm",
          "party": "0",
          "rows": rows,
          "primary": True,
          "metric": "accuracy",
          "attack_score": score,
          "control": "features only",
          "control_score": 0.5,
          "advantage": gain,
          "low": gain - 0.01,
          "high": gain + 0.01,
        }
      )
    both = ("validation", "test")
    parts["exposure"] += examples.exposure_rows(key, exposed, both)
    parts["cost"] += examples.cost_rows(key, 100 * cut, 500 - 100 * cut, 40)
  for name, rows in parts.items():
    tables.write(workdir, f"all_{name}", rows)
  tables.write(workdir, "failed", [])
  config = asked(seeds=seeds, **changes)
  result_files.write_text(workdir / "config.json", identity.as_json(config))
  audit.read(workdir)
  return json.loads((workdir / "audit.json").read_text("utf-8"))


def test_the_choice_is_made_and_its_evidence_is_shown(tmp_path):
  answer = measured_by_hand(tmp_path)
  # cut 1 leaks least and loses too much
  assert answer["recommendation"] == "cut 2"
  assert answer["reference"] == "cut 4"
  assert any("400 validation rows" in said for said in answer["doubts"])
  options = {o["name"]: o for o in answer["options"]}
  assert options["cut 2"]["test_mean"] == pytest.approx(0.91)
  # of what guessing leaves, .9; of the party worst off
  assert options["cut 2"]["leak"] == pytest.approx(0.101 / 0.9)
  assert options["cut 2"]["leak_test"] == pytest.approx(0.05)
  assert options["cut 2"]["exposed"] == pytest.approx(0.45)
  assert options["cut 2"]["stages"] == "one"
  assert "loses 0.200, more than 0.01" in options["cut 1"]["misses"]
  assert options["cut 1"]["front"] and not options["cut 1"]["chosen"]
  findings = tables.read(tmp_path, "findings")
  assert findings["text"].iloc[0] == "Take cut 2"
  page = pages.write(tmp_path).read_text("utf-8")
  assert "Recommendation: cut 2" in page
  assert "names 60 right" in page and "names 50 (features only)" in page
  assert {"options", "sides"} <= set(figures.write(tmp_path))


def test_nobody_is_told_to_take_what_nothing_bears_out(tmp_path):
  answer = measured_by_hand(
    tmp_path, **{"audit.max_leakage": 0.05, "audit.max_bytes": 100}
  )
  assert answer["recommendation"] is None
  assert "No option keeps to all constraints." in answer["reasons"]
  page = pages.write(tmp_path).read_text("utf-8")
  assert "No option is recommended" in page


def test_without_the_reference_there_is_no_comparison(tmp_path):
  answer = measured_by_hand(tmp_path, seeds=5)  # of which three came to an end
  assert answer["recommendation"] is None
  assert "more than 3 of 5 seeds" in answer["reasons"][0]
  assert "3 of 5 seeds" in answer["options"][1]["misses"]


def test_a_reference_no_better_than_the_largest_class_has_not_learned(tmp_path):
  measured_by_hand(tmp_path)
  # the reference is right on .905 of the validation rows, and so is who guesses
  frame = tables.read(tmp_path, "all_main").assign(guess=0.906)
  tables.write(tmp_path, "all_main", frame.to_dict("records"))
  audit.read(tmp_path)
  answer = json.loads((tmp_path / "audit.json").read_text("utf-8"))
  assert answer["recommendation"] is None
  assert "0.906 by guessing" in answer["reasons"][0]


def test_an_attack_that_ranks_is_not_said_to_name_labels(tmp_path):
  measured_by_hand(tmp_path)
  frame = tables.read(tmp_path, "all_leakage").assign(metric="auc")
  tables.write(tmp_path, "all_leakage", frame.to_dict("records"))
  audit.read(tmp_path)
  page = pages.write(tmp_path).read_text("utf-8")
  assert "orders training labels with a AUC of 0.60" in page
  assert "names 60 right" not in page


def test_answers_of_an_oracle_do_not_count(tmp_path):
  measured_by_hand(tmp_path)
  frame = tables.read(tmp_path, "all_attacks")
  known = frame.assign(attack="norm (oracle)", value=frame["value"] + 0.3)
  every = pd.concat([frame, known]).to_dict("records")
  tables.write(tmp_path, "all_attacks", every)
  before = tables.read(tmp_path, "options")["leak"].tolist()
  audit.read(tmp_path)
  assert tables.read(tmp_path, "options")["leak"].tolist() == before


@pytest.mark.parametrize(
  "arg, model", [("text", "transformer"), ("image", "lenet")]
)
def test_texts_and_images_can_be_audited(arg, model, tfds_dir):
  config = config_file.get_config(f"{arg},step")
  config.data.data_dir = tfds_dir
  config = validate.validate(config)
  assert config.model.name == model


@pytest.mark.slow
def test_a_table_of_ones_own_from_end_to_end(tmp_path):
  from sklearn import datasets

  frame = datasets.load_breast_cancer(as_frame=True).frame
  frame = frame.rename(columns={"target": "malignant"})
  frame.to_parquet(tmp_path / "own.parquet")
  config = config_file.get_config("step")
  files.assign(
    config,
    {
      "data.path": str(tmp_path / "own.parquet"),
      "data.label": "malignant",
      # two of them: CI runs the audit's own config with every possible attack
      "attacks": ("passive_completion", "feature_inversion"),
    },
  )
  path = experiment_audit.run(validate.validate(config), tmp_path / "audit")
  assert "own.parquet" in path.read_text("utf-8")
  options = tables.read(tmp_path / "audit", "options")
  assert options["cut"].tolist() == [4, 1]
  assert options["exposed"].notna().all()
  assert isinstance(options, pd.DataFrame) and options["reference"].sum() == 1
