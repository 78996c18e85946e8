"""What studies answer, on tables made by hand, and from end to end."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs import common
from vfl_jax import config as configs
from vfl_jax import study
from vfl_jax import tables
from vfl_jax.questions import cuts
from vfl_jax.questions import reassignment

SEEDS = 3


def main_rows(key, utility):
  return {
    **key,
    "rows": "test",
    "metric": "accuracy",
    "primary": True,
    "mean": utility,
    "low": utility - 0.01,
    "high": utility + 0.01,
    "seeds": SEEDS,
    **{f"seed{i}": utility + 0.001 * i for i in range(SEEDS)},
  }


def attack_rows(key, attack, score, control=0.5, where=("train", "test")):
  return [
    {
      **key,
      "attack": attack,
      "what": what,
      "party": "0",
      "seed": seed,
      "draw": 0,
      "rows": rows,
      "metric": "accuracy",
      "primary": True,
      "value": value + 0.001 * seed * (what == "attack"),
    }
    for rows in where
    for seed in range(SEEDS)
    for what, value in (
      ("attack", score),
      ("features only", control),
      ("prior", 0.1),
    )
  ]


def cost_rows(key, passive, active, wire):
  return [
    {
      **key,
      "holder": holder,
      "stage": stage,
      "flops": flops,
      "parameters": flops // 2,
      "activation_bytes": flops,
      "up_bytes": up,
      "down_bytes": up,
    }
    for holder, stage, flops, up in (
      ("party 0", "one", passive, 0),
      ("party 0", "wire", 0, wire),
      ("party 1", "one", passive // 2, 0),
      ("party 1", "wire", 0, wire),
      ("active", "two", active, 0),
    )
  ]


def swept():
  parts = {"main": [], "attacks": [], "exposure": [], "cost": []}
  for cut, advance, leak, utility in ((4, 0, 0.3, 0.9), (1, 3, 0.0, 0.92)):
    key = {"data": "digits", "cut": cut, "advance": advance}
    parts["main"].append(main_rows(key, utility))
    parts["attacks"] += attack_rows(key, "passive_completion", 0.5 + leak)
    parts["attacks"] += attack_rows(key, "adaptive completion", 0.55 + leak)
    parts["attacks"] += attack_rows(key, "norm", 0.4, where=("train",))
    parts["exposure"].append(
      {**key, "metric": "unexplained", "what": "attack", "value": 0.1 * cut}
    )
    parts["cost"] += cost_rows(key, 100 * cut, 800 - 150 * cut, 40 // cut)
  return {name: pd.DataFrame(rows) for name, rows in parts.items()}


def test_a_cut_is_priced_and_its_attacks_are_told_apart():
  frame = cuts.measured(**swept()).set_index("cut")
  usual, early = frame.loc[4], frame.loc[1]
  assert usual["completion"] == pytest.approx(0.301)
  assert usual["adaptive"] == pytest.approx(0.351)
  assert usual["gradient"] == pytest.approx(-0.099)
  assert np.isnan(usual["clustering"]) and usual["clustering_attack"] == ""
  assert early["exposed"] == pytest.approx(0.9)
  assert (usual["up_bytes"], early["up_bytes"]) == (20, 80)
  assert usual["flops_passive"] == 400 and usual["flops_active"] == 200
  assert usual["flops_total"] == early["flops_total"] == 800
  assert usual["parameters_active"] == 100


def test_what_is_free_is_said_and_what_is_not():
  gained, paid = cuts.findings(cuts.measured(**swept()))
  assert "by 3 changes test accuracy by +0.020" in gained["text"]
  assert "completion +0.301 to +0.001" in gained["detail"]
  assert "is not free: 40 bytes a sample become 160" in paid["text"]
  assert "from 0.60 to 0.90" in paid["text"]
  assert "all computation 1.00 times" in paid["detail"]
  frames = swept()
  frames["cost"][["up_bytes", "down_bytes"]] = 1
  assert "no more in total" in cuts.findings(cuts.measured(**frames))[1]["text"]


def reassigned():
  parts = {"main": [], "attacks": [], "alignment": []}
  tasks = (("identity", 0.8, 0.7), ("mix 0.5", 0.5, 0.4), ("cross", 0.1, 0.1))
  for task, score, control in (*tasks, ("mix 0", 0.1, 0.1)):
    key = {"data": "digits", "task": task}
    parts["main"].append(main_rows(key, 0.75))
    parts["attacks"] += attack_rows(key, "passive_completion", score, control)
    parts["attacks"] += attack_rows(key, "norm", 0.9, control, ("train",))
    parts["alignment"] += [
      {**key, "party": party, "quantity": what, "value": value, "chance": 0.1}
      for party, what, value in (
        ("0", "informativeness", score),
        ("1", "informativeness", 0.99),  # the active party's own
        ("0", "clusters", control),
        *([("all", "ceiling", 0.8)] if task == "cross" else []),
      )
    ]
  frames = {name: pd.DataFrame(rows) for name, rows in parts.items()}
  leakage = []
  for key, part in frames["attacks"].groupby(
    ["data", "task", "attack", "rows"]
  ):
    table = part.groupby("what")["value"].mean()
    gain = table["attack"] - table["features only"]
    leakage.append(
      dict(zip(("data", "task", "attack", "rows"), key, strict=True))
      | {"party": "0", "metric": "accuracy", "primary": True}
      | {"attack_score": table["attack"], "advantage": gain}
      | {"control": "features only", "control_score": table["features only"]}
      | {"low": gain - 0.005, "high": gain + 0.005}
    )
  return {**frames, "leakage": pd.DataFrame(leakage)}


def test_attacks_are_set_against_what_features_say_by_themselves():
  rows = {r["task"]: r for r in reassignment.measured(**reassigned())}
  natural, crossed = rows["identity"], rows["cross"]
  assert natural["informative"] == pytest.approx(0.7)
  assert natural["clusters"] == pytest.approx(0.6)
  assert natural["few_labels"] == pytest.approx(0.6)
  assert natural["embeddings_advantage"] == pytest.approx(0.101)
  assert natural["embeddings_verdict"].startswith("leaks")
  assert np.isnan(natural["ceiling"]) and crossed["ceiling"] == 0.8
  assert crossed["embeddings_verdict"].startswith("at its control")
  assert crossed["gradients_attack"] == "norm"
  assert crossed["gradients_advantage"] > 0.7


def test_the_crossed_task_is_learned_or_it_is_said_not_to_be():
  frame = pd.DataFrame(reassignment.measured(**reassigned()))
  crossed, related = reassignment.findings(frame)
  assert "is learned (test 0.750, 94% of the 0.800" in crossed["text"]
  assert "at its control" in crossed["text"]
  assert "rank correlation +1.00" in related["text"]
  frame["utility"] = 0.5
  assert (
    "not learned as far as it could be"
    in (reassignment.findings(frame)[0]["text"])
  )


def small(question, cells):
  base: Any = common.experiment("small", "step")
  base.attacks = ("possible", "passive_completion", "norm", "similarity")
  base.record.epochs = (0,)
  base.evaluate.alignment = True
  base.seeds = 2
  base.train.steps_per_epoch = 3
  config: Any = configs.defaults("study")
  config.question, config.workers = question, 1
  config.bases.digits = base
  config.cells = tuple(
    {"labels": labels, "base": "digits", "set": changes}
    for labels, changes in cells
  )
  return configs.validate(config)


@pytest.mark.slow
@pytest.mark.parametrize(
  "question, cells, words",
  [
    (
      "cuts",
      [
        ({"data": "digits", "cut": c, "advance": 4 - c}, {"model.cut": c})
        for c in (1, 4)
      ],
      "advancing the cut by 3",
    ),
    (
      "reassignment",
      [
        ({"data": "digits", "task": t}, {"task": {"name": t}})
        for t in ("identity", "cross")
      ],
      "the crossed task",
    ),
  ],
)
def test_a_study_answers_from_end_to_end(tmp_path, question, cells, words):
  path = study.run(small(question, cells), tmp_path)
  assert tables.read(tmp_path, "failed").empty
  frame = tables.read(tmp_path, question)
  assert len(frame) == len(cells) and frame["utility"].notna().all()
  html = path.read_text("utf-8")
  assert words in html and html.count("data:image/svg+xml") == 1
