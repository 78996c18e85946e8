"""One experiment from its config to its report."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import numpy as np
import pandas as pd
import pytest
from configs.shared import common
from vfl_jax import attacks as the_attacks
from vfl_jax.config import files as config_files
from vfl_jax.config import schema
from vfl_jax.evaluation import metrics
from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments.validation import validate
from vfl_jax.information import estimate
from vfl_jax.results import advantage
from vfl_jax.results import figures
from vfl_jax.results import log
from vfl_jax.results import status as result_status
from vfl_jax.results import tables
from tests.helpers import tiny


FIGURES = [f for f, (t, _) in figures.FIGURES.items() if t in tables.TABLES]


def test_everything_is_left_behind(finished):
  assert result_status.status(finished)["state"] == "done"
  for name in tables.TABLES:
    assert len(tables.read(finished, name)), name
  for name in FIGURES:
    for suffix in ("png", "svg"):
      assert (finished / "figures" / f"{name}.{suffix}").stat().st_size > 2000
  html = (finished / "report.html").read_text("utf-8")
  assert "http" not in html.replace("http://www.w3.org", "")  # opens offline
  assert "profile &ldquo;step&rdquo;" in html
  assert "this is a reduced one" in html


@pytest.mark.slow
def test_defences_are_reported_and_met_by_attacks_that_know_them(tmp_path):
  config = common.experiment("tiny", "step")
  config.model = schema.model("mlp", hidden=(16,))
  config.defenses = (
    "cut",
    {"name": "gaussian", "scale": 2.0, "clip": 0.1},
    "mid",
    "cae",
  )
  config.attacks = ("adaptive",)
  config.compensation = ("fresh_top",)
  config.record.epochs = (0,)
  config.train.steps_per_epoch = 3
  experiment.run(validate.validate(config), tmp_path)
  privacy = tables.read(tmp_path, "privacy")
  noise = privacy[privacy["defense"].str.startswith("gaussian")]
  assert len(noise) == 3 and (noise["epsilon"] > 0).all()
  assert noise["scope"].str.contains("gradients of its batch").sum() == 2
  others = privacy[~privacy["defense"].str.startswith("gaussian")]
  assert set(others["scope"]) == {"no formal guarantee"}
  met = set(tables.read(tmp_path, "attacks")["attack"])
  assert {"adaptive completion", "hint", "similarity", "direction"} <= met
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "Defences, and what they prove" in html
  # a run that is loaded predicts with what the defence had prepared
  loaded = experiment.load(tmp_path)
  test = loaded.federation.dataset.test
  scores = np.asarray(loaded.predict(test.inputs))
  assert scores.shape == (1, len(test.labels), 10)


def test_tables_are_tidy(finished):
  attacks = tables.read(finished, "attacks")
  assert set(attacks["what"]) == {
    "attack",
    "prior",
    "no-VFL",
    "features only",
    "chosen features only",
    "ceiling",
  }
  key = ["attack", "what", "party", "seed", "rows", "metric"]
  assert not attacks.duplicated(key).any()
  assert len(attacks) == 6 * 2 * 2 * 2 * 3  # the last: metrics
  assert (attacks["primary"] == (attacks["metric"] == "accuracy")).all()
  sizes = result_status.status(finished)["sizes"]
  on_train = attacks[attacks["rows"] == "train"]["n"].unique()
  assert on_train.tolist() == [sizes["train"] - 10]  # auxiliary ones left out
  information = tables.read(finished, "information")
  key = ["quantity", "epoch", "estimator", "samples", "seed", "party", "layer"]
  assert set(information["form"]) == {"flat"}  # dense: nothing to pool
  assert not information.duplicated(key).any()
  joint = information[information["party"] == "joint"]
  assert sorted(joint["layer"].unique()) == list(range(7))
  assert (information["ceiling"] > 2).all()
  along = information[information["quantity"] == "I(T;Y)"]
  for epoch, estimators in (
    (0, {"mine"}),
    (2, {"mine"}),
    (3, {"mine", "classifier"}),
  ):
    part = along[along["epoch"] == epoch]
    assert set(part["samples"]) == {"trained on", "held out"}
    assert set(part["estimator"]) == estimators


def test_a_finished_run_is_loaded_to_predict_and_attack_with(finished):
  run = experiment.load(finished)
  test = run.federation.dataset.test
  logits = np.asarray(run.predict(test.inputs))
  assert logits.shape == (2, len(test.labels), 10)
  main = tables.read(finished, "main").set_index(["rows", "metric"])
  accuracy = [metrics.score("accuracy", s, test.labels) for s in logits]
  row = main.loc[("test", "accuracy")]
  np.testing.assert_allclose([row["seed0"], row["seed1"]], accuracy, atol=1e-6)
  view = run.federation.views(
    (0,), np.zeros((2, 1), int), np.zeros((2, 1), int)
  )
  assert view.trial.recorded[1].gradients.shape == (2, 20, 10)
  assert not hasattr(view, "labels")


@pytest.mark.slow
def test_every_attack_that_can_run_does_and_the_others_say_why(tmp_path):
  config = tiny.tiny(evaluate__aux_draws=2, record__samples=120)
  config.attacks = ("all",)
  config.compensation = ()
  config.information.estimators = ()
  experiment.run(validate.validate(config), tmp_path)
  status = result_status.status(tmp_path)
  assert set(status["skipped"]) == {
    "direct",
    "enumeration",
    "batch_inversion",
    "exploit",
  }
  table = tables.read(tmp_path, "attacks")
  others = {*status["skipped"], "feature_inversion"}
  joining = {n for n in the_attacks.ATTACKS if the_attacks.build(n).joins}
  joined = {n + " with features" for n in joining}
  assert set(table["attack"]) == (set(the_attacks.ATTACKS) | joined) - others
  gradient = table[table["attack"] == "norm"]
  # recorded rows only, those in no batch and auxiliary ones left out
  assert set(gradient["rows"]) == {"train"} and (gradient["n"] < 120).all()
  assert set(gradient["what"]) == {
    "attack",
    "prior",
    "features only",
    "chosen features only",
  }
  one = table[(table["attack"] == "spectral") & (table["what"] == "attack")]
  assert len(one) == 2 * 2 * 2 * 2 * 3  # seeds, draws, parties, rows, metrics
  advantages = tables.read(tmp_path, "leakage")
  assert (advantages["seeds"] == 2).all() and (advantages["draws"] == 2).all()
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "Skipped: direct, it reads the gradient of summed logits" in html
  assert "2 draws of them for every seed" in html


def test_too_few_recorded_rows_are_refused_before_training(tmp_path):
  config = tiny.tiny(record__samples=15)
  config.attacks = ("norm",)
  with pytest.raises(lifecycle.Refused, match="record.samples is 15"):
    experiment.run(validate.validate(config), tmp_path)
  assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0, 6])
def test_both_ends_of_the_cut(tmp_path, cut):
  config = tiny.tiny(model__cut=cut, record__epochs=())
  experiment.run(config, tmp_path)
  attacks = tables.read(tmp_path, "attacks").pivot_table(
    index=["party", "seed", "rows"], columns="what", values="value"
  )
  if not cut:  # nothing was learnt below: the attack is its own control
    np.testing.assert_allclose(attacks["attack"], attacks["no-VFL"])


@pytest.mark.slow
def test_active_features_and_three_parties(tmp_path):
  config = common.experiment("tiny", "step,parties=3,cut=2")
  config.data.active_features = True
  config.train.overrides = ({"name": "top", "optimizer": "adam"},)
  experiment.run(validate.validate(config), tmp_path)
  assert set(tables.read(tmp_path, "attacks")["party"]) == {"0", "1"}


@pytest.mark.usefixtures("without_figures")
def test_too_few_held_out_samples_are_said_and_not_fatal(tmp_path, monkeypatch):
  monkeypatch.setattr(estimate, "too_few", lambda targets: "7 samples are few.")
  experiment.run(tiny.tiny(information__noise=0.0), tmp_path)
  assert not tables.exists(tmp_path, "information")
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "was not measured on held-out samples: 7 samples are few." in html


@pytest.mark.usefixtures("without_figures")
def test_what_a_file_says_is_text_in_the_report(tmp_path):
  """A column, a class or a file named like markup stays a name."""
  evil = "<script>alert('x')</script>"
  generator = np.random.default_rng(0)
  frame = pd.DataFrame(generator.normal(size=(200, 4)))
  frame.columns = [evil, "<b>a", "c&d", "e"]
  frame["<i>label</i>"] = np.where(frame[evil] > 0, evil, "no")
  path = tmp_path / "<img src=x onerror=alert(1)>.csv"
  frame.to_csv(path, index=False)
  config = common.experiment("<u>name", "step")
  config_files.assign(
    config,
    {
      "data.name": "file",
      "data.path": str(path),
      "data.label": "<i>label</i>",
      "record.epochs": (0,),
      "attacks": ("norm",),
      "information.estimators": (),
      "compensation": (),
      "seeds": 1,
    },
  )
  written = experiment.run(validate.validate(config), tmp_path / "run")
  html = written.read_text("utf-8")
  for raw in (evil, "<i>label", "<img src=x", "<u>name", "<b>a"):
    assert raw not in html, raw
  assert "&lt;i&gt;label" in html


def browser():
  return shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(not browser(), reason="no chromium on this machine")
@pytest.mark.parametrize("width", [1100, 390])
def test_the_report_opens_in_a_browser(finished, width):
  """Figures are drawn and nothing hangs over the page's edge."""
  html = (finished / "report.html").read_text("utf-8")
  probe = """<script>
    const bad = [...document.images].filter(i => !i.naturalWidth).length;
    document.title = JSON.stringify({images: document.images.length, bad: bad,
      over: document.documentElement.scrollWidth - innerWidth});
  </script>"""
  with tempfile.TemporaryDirectory() as folder:
    page = pathlib.Path(folder) / "page.html"
    page.write_text(
      html.replace(
        "</body>",
        probe.replace("<script>", "<script>onload=()=>{").replace(
          "</script>", "}</script>"
        )
        + "</body>",
      ),
      "utf-8",
    )
    done = subprocess.run(
      [
        browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={folder}/profile",
        f"--window-size={width},900",
        "--virtual-time-budget=3000",
        "--dump-dom",
        page.as_uri(),
      ],
      capture_output=True,
      text=True,
      timeout=120,
      check=True,
    )
  title = done.stdout.split("<title>")[1].split("</title>")[0]
  seen = json.loads(title)
  assert seen["images"] == len(FIGURES) and not seen["bad"], seen
  assert seen["over"] <= 0, seen


def test_verdicts():
  assert advantage.verdict(0.01, 0.2).startswith("it leaks")
  assert advantage.verdict(-0.015, 0.01).startswith("at its control")
  assert advantage.verdict(-0.3, 0.3) == "not told apart from its control"
  assert advantage.verdict(-0.3, -0.1).startswith("below")
  assert advantage.verdict(float("nan"), float("nan")).startswith("one seed")


@pytest.mark.slow
def test_real_cifar10_trains_cut_behind_the_first_stage(tfds_dir, tmp_path):
  config = common.experiment("cifar10", "step,train.epochs=4")
  config.data.update(
    name="cifar10", data_dir=tfds_dir, train_size=256, test_size=100
  )
  config.model = schema.model("resnet20", cut=1, width=4)
  config.train.update(steps_per_epoch=0, batch_size=16, learning_rate=0.05)
  config.seeds = 1
  config_files.assign(
    config, {"compensation": (), "information.estimators": ()}
  )
  experiment.run(validate.validate(config), tmp_path / "run")
  losses = [m["loss"][0] for m in log.read_metrics(tmp_path / "run")]
  assert losses[-1] < losses[0]
  main = tables.read(tmp_path / "run", "main").set_index(["rows", "metric"])
  assert main.loc[("train", "accuracy"), "mean"] > 0.12
