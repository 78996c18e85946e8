"""The whole walk on a tiny budget: files, resume, load, report in a browser."""

import inspect
import json
import multiprocessing
import os
import pathlib
import random
import runpy
import shutil
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from configs import common
from tests import seen
from vfl_jax import attacks as the_attacks
from vfl_jax.config import files as config_files
from vfl_jax.config import schema
from vfl_jax.data import base
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import leakage
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import seal
from vfl_jax.experiments import checkpoints
from vfl_jax.experiments import experiment
from vfl_jax.experiments import lifecycle
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import views as federation_views
from vfl_jax.information import estimate
from vfl_jax.results import advantage
from vfl_jax.results import figures
from vfl_jax.results import log
from vfl_jax.results import status as result_status
from vfl_jax.results import tables

ROOT = pathlib.Path(__file__).resolve().parent.parent


FIGURES = [f for f, (t, _) in figures.FIGURES.items() if t in tables.TABLES]


def tiny(**overrides):
  config = common.experiment("tiny", "step")
  config.seeds = 2
  config.train.epochs = 3
  config.train.steps_per_epoch = 5
  config.record.epochs = (1,)
  config.information.epochs = (0, 2)
  config.information.estimators = ("mine", "classifier")
  config.compensation = ("frozen_bottoms", "fresh_top", "central_twin")
  config.information.noise = 0.2
  config.record.samples = 20
  config.model = schema.model("mlp", hidden=(16,))
  for key, value in overrides.items():
    section, name = key.split("__")
    config[section][name] = value
  return validate.validate(config)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("finished")
  experiment.run(tiny(), workdir)
  return workdir


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
    "ceiling",
  }
  key = ["attack", "what", "party", "seed", "rows", "metric"]
  assert not attacks.duplicated(key).any()
  assert len(attacks) == 5 * 2 * 2 * 2 * 2  # the last: two metrics
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


def test_running_again_does_nothing_and_another_config_is_refused(finished):
  before = (finished / "report.html").stat().st_mtime_ns
  experiment.run(tiny(), finished)
  assert (finished / "report.html").stat().st_mtime_ns == before
  with pytest.raises(lifecycle.Refused, match="belongs to another config"):
    experiment.run(tiny(train__epochs=2), finished)


def test_labels_stay_sealed_while_attacks_run(finished, monkeypatch):
  """Whatever reads the federation's labels inside `leakage` raises."""
  run = experiment.load(finished)
  views, seen = federation_views.Federation.views, []

  def curious(self, *args):
    for examples in (self.dataset.train, self.dataset.test):
      for read in (np.asarray, len, lambda y: y[0]):
        with pytest.raises(seal.SealedError, match="attack"):
          read(examples.labels)
        seen.append(1)
    return views(self, *args)

  monkeypatch.setattr(federation_views.Federation, "views", curious)
  attack = the_attacks.build("passive_completion", budget=1)
  rows = leakage.measure(
    run.federation,
    {"attack": attack},
    aux_per_class=1,
    draws=1,
    steps=1,
    metric="accuracy",
  )
  assert len(seen) == 2 * 6 and rows


def test_no_vfl_is_a_bottom_that_never_took_part(tmp_path):
  """A planted bottom knows the label, and the control does not profit."""
  generator = np.random.default_rng(0)
  frame = pd.DataFrame(generator.normal(size=(600, 20)))
  frame.columns = [f"x{k}" for k in range(20)]
  frame["label"] = (frame["x0"] * frame["x1"] > 0).astype(int)
  path = tmp_path / "xor.csv"
  frame.to_csv(path, index=False)
  config = common.experiment("tiny", "step")
  values = {"data.name": "file", "data.path": str(path), "seeds": 2}
  config_files.assign(config, values)
  config.model = schema.model("mlp", cut=1, hidden=(8,), norm="none")
  config = validate.validate(config)
  setup = federation_setup.prepare(config)
  state, kept = federation_setup.initial(config, setup)
  variables = state["variables"]
  own = next(iter(variables["bottoms"][0]["params"].values()))["Dense_0"]
  fresh = controls.untrained(setup.net, 0, setup.keys, setup.inputs)
  # four units that tell whether two features have the same sign
  planted = np.zeros(own["kernel"].shape, np.float32)
  planted[:, :2, :4] = [[1, -1, 1, -1], [1, -1, -1, 1]]
  variant = (("frozen", 0, 0.1),)
  attack = the_attacks.build("passive_completion", steps=400, variants=variant)

  def scores(bottom):
    bottoms = (bottom, *variables["bottoms"][1:])
    f = federation_views.trained(
      config, setup, {**variables, "bottoms": bottoms}, kept
    )
    found = pd.DataFrame(
      leakage.measure(
        f,
        {"completion": attack},
        aux_per_class=20,
        draws=1,
        steps=1,
        metric="accuracy",
      )
    )
    found = found[found["primary"] & (found["party"] == 0)]
    return found.groupby("what")["value"].mean()

  outer = {
    name: {"Dense_0": {**layer["Dense_0"], "kernel": jnp.asarray(planted)}}
    for name, layer in variables["bottoms"][0]["params"].items()
  }
  leaky = scores({**variables["bottoms"][0], "params": outer})
  assert leaky["attack"] > 0.9
  assert leaky["no-VFL"] < 0.7
  honest = scores(fresh)
  assert honest["attack"] < 0.7
  assert honest["no-VFL"] == pytest.approx(leaky["no-VFL"], abs=1e-6)


def test_the_control_s_normalisation_has_seen_the_party_s_features():
  """Running statistics of an untrained bottom are of its layers on x_k."""
  config = tiny()
  setup = federation_setup.prepare(config)
  fresh = controls.untrained(setup.net, 0, setup.keys, setup.inputs)
  again = controls.untrained(setup.net, 0, setup.keys, setup.inputs)
  jax.tree.map(np.testing.assert_array_equal, fresh, again)
  one = jax.tree.map(lambda a: a[0], fresh)
  _, batch = setup.net.bottom(one, setup.inputs[0], train=True)
  for kept, now in zip(
    jax.tree.leaves(one["stats"]), jax.tree.leaves(batch), strict=True
  ):
    # a step of a tenth towards all rows changes little
    np.testing.assert_allclose(kept, now, rtol=0.2, atol=0.1)
  # identical rows have no variance: of the initial one .9^30 = .04 would be
  # left, and float32 rounds it to 1e-6
  alike = [np.repeat(x[:1], len(x), axis=0) for x in setup.inputs]
  fresh = controls.untrained(setup.net, 0, setup.keys, alike)
  stats = jax.tree.leaves_with_path(fresh["stats"])
  spread = [a for path, a in stats if path[-1].key == "var"]
  assert spread and np.abs(np.concatenate(spread, -1)).max() < 1e-5


def reachable(thing, path="view", seen=None):
  """Every object that can be had from another by attributes, and its path."""
  seen = {} if seen is None else seen
  if id(thing) in seen or isinstance(thing, (str, bytes, int, float, type)):
    return
  seen[id(thing)] = thing  # held, or another could get its number
  yield path, thing
  if isinstance(thing, (np.ndarray, jax.Array)) or inspect.ismodule(thing):
    return
  found = {}
  if isinstance(thing, dict):
    found = {f"[{k!r}]": v for k, v in thing.items()}
  elif isinstance(thing, (tuple, list, set, frozenset)):
    found = {f"[{i}]": v for i, v in enumerate(thing)}
  for name in ("__closure__", "__wrapped__", "__self__", "__func__"):
    found[f".{name}"] = getattr(thing, name, None)
  for name in ("func", "args", "keywords", "cell_contents", "__defaults__"):
    found[f".{name}"] = getattr(thing, name, None)
  found.update({f".{k}": v for k, v in getattr(thing, "__dict__", {}).items()})
  for name, own in found.items():
    yield from reachable(own, path + name, seen)


def test_no_path_of_attributes_leads_from_a_view_to_the_labels(finished):
  f = experiment.load(finished).federation
  closed = seal.close(f, ["attack"])
  rows = [closed.auxiliary(k, 1) for k in f.keys]
  aux_rows, aux_labels = (np.stack(a) for a in zip(*rows))
  truths = [np.asarray(getattr(f.dataset, s).labels) for s in ("train", "test")]
  f = seal.under(closed, f)

  def leaks(view):
    found = []
    for path, thing in reachable(view):
      if isinstance(thing, (seal.Sealed, seal.Labels, base.Examples)):
        found.append(path)
      if isinstance(thing, (np.ndarray, jax.Array)):
        flat = np.asarray(thing).ravel() if thing.dtype != f.keys.dtype else []
        found += [
          path
          for truth in truths
          if len(flat) == len(truth) and (flat == truth).all()
        ]
    return found

  for members in ((0,), (0, 1)):
    view = f.views(members, aux_rows, aux_labels)
    assert len(list(reachable(view))) > 50
    assert not leaks(view)
  # the search does find what is hidden in a closure
  hidden = truths[0].copy()
  public = view.public._replace(bottom=lambda v, x: hidden)
  assert leaks(seen.replaced(view, public=public))
  assert leaks(seen.replaced(view, embeddings={0: f.dataset.train}))


@pytest.mark.slow
@pytest.mark.parametrize("messages", ["per_sample", "averaged"])
def test_whoever_knows_a_code_decodes_with_it(tmp_path, messages):
  config = tiny(model__cut=6, record__samples=120, evaluate__aux_draws=2)
  config.defenses = ("cae", {"name": "gaussian", "scale": 1e-6})
  config.attacks = ("adaptive",)
  config.record.messages = messages
  config.compensation = ()
  config.information.estimators = ()
  experiment.run(validate.validate(config), tmp_path)
  met = set(tables.read(tmp_path, "leakage")["attack"])
  one, other = "decoding direct", "decoding batch_inversion"
  if messages == "averaged":
    one, other = other, one
  assert one in met and other in result_status.status(tmp_path)["skipped"]
  config.attacks = ({"name": "direct", "code": True},)
  config.defenses = ()
  config.record.messages = "per_sample"
  with pytest.raises(ValueError, match="no defence trains on a code"):
    validate.validate(config)


@pytest.mark.slow
def test_every_attack_that_can_run_does_and_the_others_say_why(tmp_path):
  config = tiny(evaluate__aux_draws=2, record__samples=120)
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
  assert set(table["attack"]) == set(the_attacks.ATTACKS) - others
  gradient = table[table["attack"] == "norm"]
  # recorded rows only, those in no batch and auxiliary ones left out
  assert set(gradient["rows"]) == {"train"} and (gradient["n"] < 120).all()
  assert set(gradient["what"]) == {"attack", "prior", "features only"}
  one = table[(table["attack"] == "spectral") & (table["what"] == "attack")]
  assert len(one) == 2 * 2 * 2 * 2 * 2  # seeds, draws, parties, rows, metrics
  advantages = tables.read(tmp_path, "leakage")
  assert (advantages["seeds"] == 2).all() and (advantages["draws"] == 2).all()
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "Skipped: direct, it reads the gradient of summed logits" in html
  assert "2 draws of them for every seed" in html


def test_too_few_recorded_rows_are_refused_before_training(tmp_path):
  config = tiny(record__samples=15)
  config.attacks = ("norm",)
  with pytest.raises(lifecycle.Refused, match="record.samples is 15"):
    experiment.run(validate.validate(config), tmp_path)
  assert not (tmp_path / "checkpoints").exists()


@pytest.mark.usefixtures("without_figures")
def test_a_kill_before_the_report_is_made_good(finished, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(finished, copy)
  (copy / "report.html").unlink()
  (copy / "tables" / "cost.csv").unlink()
  experiment.run(tiny(), copy)
  assert (copy / "report.html").is_file() and tables.exists(copy, "cost")


def test_weights_that_overflow_are_never_saved(tmp_path):
  """A finite loss may still leave an update that is not."""
  config = tiny(train__learning_rate=3e38, train__weight_decay=1e3)
  config.model.norm = "none"
  config.train.steps_per_epoch = 1  # a second one would end the loss too
  with pytest.raises(lifecycle.Diverged, match="not finite in epoch 0"):
    experiment.run(config, tmp_path)
  assert not list((tmp_path / "checkpoints").glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0, 6])
def test_both_ends_of_the_cut(tmp_path, cut):
  config = tiny(model__cut=cut, record__epochs=())
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


def test_divergence_keeps_what_it_had(tmp_path):
  config = tiny(train__learning_rate=1e30)
  with pytest.raises(lifecycle.Diverged, match="not finite"):
    experiment.run(config, tmp_path)
  assert result_status.status(tmp_path)["state"] == "diverged"
  assert (tmp_path / "metrics.jsonl").exists()


def test_a_damaged_checkpoint_falls_back_with_a_warning(tmp_path):
  state = {"a": np.arange(5.0), "b": (np.ones((2, 3), np.int32),)}
  saved = checkpoints.Checkpoints(tmp_path)
  for step in (1, 2, 3):
    saved.save(step, {**state, "a": state["a"] + step})
  saved.close()
  files = [
    p
    for p in (tmp_path / "3").rglob("*")
    if p.is_file() and p.stat().st_size > 60 and "d" in p.parts
  ]
  assert files
  for path in files:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  opened = checkpoints.Checkpoints(tmp_path)
  with pytest.warns(UserWarning, match="checkpoint 3 is damaged"):
    step, found = opened.restore(state)
  assert step == 2
  np.testing.assert_array_equal(found["a"], state["a"] + 2)
  with pytest.warns(UserWarning), pytest.raises(ValueError, match="not fit"):
    opened.restore({"a": np.zeros(4)})
  opened.close()


@pytest.mark.usefixtures("without_figures")
def test_too_few_held_out_samples_are_said_and_not_fatal(tmp_path, monkeypatch):
  monkeypatch.setattr(estimate, "too_few", lambda targets: "7 samples are few.")
  experiment.run(tiny(information__noise=0.0), tmp_path)
  assert not tables.exists(tmp_path, "information")
  html = (tmp_path / "report.html").read_text("utf-8")
  assert "was not measured on held-out samples: 7 samples are few." in html


def main(workdir):
  """`python main.py`, in a process that has imported what it needs."""
  os.chdir(ROOT)
  sys.argv = [
    "main.py",
    f"--workdir={workdir}",
    "--config=configs/default.py:step",
    "--config.train.epochs=40",
    "--config.train.steps_per_epoch=4",
    "--config.seeds=2",
    "--config.compensation=('frozen_bottoms', 'central_twin')",
  ]
  runpy.run_path("main.py", run_name="__main__")


# a phase of a run, and the file that is there once it has begun
PHASES = {
  "training": "metrics.jsonl",
  "probing": "tables/main.csv",
  "attacking": "tables/compensation.csv",
  "reporting": "tables/leakage.csv",
}


def killed_in(process, phase, workdir, delay) -> bool:
  """Start the run and kill it in a phase; False if it ended before."""
  process.start()
  while process.is_alive() and not (workdir / PHASES[phase]).exists():
    time.sleep(0.01)
  # a run that begins in this phase has to get there first
  process.join(delay)
  killed = process.is_alive()
  process.kill()
  process.join()
  return killed


@pytest.mark.slow
def test_runs_killed_at_twenty_moments_end_bit_identical(tmp_path):
  """Five runs, each killed while it trains, probes, attacks and reports."""
  context = multiprocessing.get_context("forkserver")
  context.set_forkserver_preload(["tests.test_experiment"])

  def run(workdir):
    return context.Process(target=main, args=(workdir,))

  def to_its_end(workdir):
    process = run(workdir)
    process.start()
    process.join()
    assert process.exitcode == 0

  quiet = tmp_path / "quiet"
  to_its_end(quiet)
  moments = random.Random(0)
  landed = dict.fromkeys(PHASES, 0)
  for number in range(5):
    killed = tmp_path / f"killed{number}"
    for phase in PHASES:
      # in the last phase a second is all there is
      delay = moments.uniform(0.0, 0.5 if phase == "reporting" else 2.0)
      landed[phase] += killed_in(run(killed), phase, killed, delay)
    to_its_end(killed)
    same_run(quiet, killed)
  assert min(landed.values()) >= 3, landed
  assert sum(landed.values()) >= 18, landed


def same_run(quiet, killed):
  assert (quiet / "metrics.jsonl").read_text() == (
    killed / "metrics.jsonl"
  ).read_text()
  assert (killed / "report.html").is_file()
  for name in tables.TABLES:
    assert len(tables.read(killed, name)), name
    pd.testing.assert_frame_equal(
      tables.read(quiet, name), tables.read(killed, name), check_exact=True
    )
  a, b = (experiment.load(w).federation.variables for w in (quiet, killed))
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.usefixtures("without_figures")
def test_interrupted_training_resumes_to_the_same_state(
  finished, tmp_path, monkeypatch
):
  """The same in one process: stopped after its second epoch."""
  config, parts = tiny(), tmp_path / "parts"
  save = checkpoints.Checkpoints.save

  def stop(self, step, state):
    save(self, step, state)
    if step == 2:
      raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints.Checkpoints, "save", stop)
    with pytest.raises(KeyboardInterrupt):
      experiment.run(config, parts)
  assert len(log.read_metrics(parts)) == 2
  experiment.run(config, parts)
  for name in tables.TABLES:
    pd.testing.assert_frame_equal(
      tables.read(finished, name), tables.read(parts, name), check_exact=True
    )


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
