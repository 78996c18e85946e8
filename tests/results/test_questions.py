"""What studies answer, on tables made by hand, and from end to end."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.shared import common
from vfl_jax.config import schema
from vfl_jax.experiments import study
from vfl_jax.experiments.validation import validate
from vfl_jax.results.answers import compensation
from vfl_jax.results.answers import cuts
from vfl_jax.results.answers import information
from vfl_jax.results.answers import reassignment
from vfl_jax.results import tables

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
    "guess": 0.1,
    "seeds": SEEDS,
    **{f"seed{i}": utility + 0.001 * i for i in range(SEEDS)},
  }


def attack_rows(key, attack, score, control=0.5, where=("train", "test")):
  return [
    {
      **key,
      "attack": attack,
      "rule": attack,
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


def exposure_rows(key, share, where=("test",)):
  """Of two parties; the second is a tenth better off."""
  return [
    {
      **key,
      "metric": "unexplained",
      "what": "attack",
      "party": party,
      "seed": seed,
      "rows": rows,
      "value": 1 - share + away,
    }
    for rows in where
    for seed in range(SEEDS)
    for party, away in (("0", -0.05), ("1", 0.05))
  ]


def swept():
  parts = {"main": [], "attacks": [], "exposure": [], "cost": []}
  for cut, advance, leak, utility in ((4, 0, 0.3, 0.9), (1, 3, 0.0, 0.92)):
    key = {"data": "digits", "cut": cut, "advance": advance}
    parts["main"].append(main_rows(key, utility))
    parts["attacks"] += attack_rows(key, "passive_completion", 0.5 + leak)
    parts["attacks"] += attack_rows(key, "adaptive completion", 0.55 + leak)
    parts["attacks"] += attack_rows(key, "norm", 0.4, where=("train",))
    parts["exposure"] += exposure_rows(key, 1 - 0.1 * cut)
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
  assert "no cost (a loss of more than 0.01 is ruled out)" in gained["text"]
  assert "completion +0.301 to +0.001" in gained["detail"]
  assert "by 3 makes 160 bytes a sample of 40 and 1.00 times" in paid["text"]
  assert "from 0.60 to 0.90" in paid["text"]
  assert "all computation 1.00 times" in paid["detail"]
  assert "of a passive party 200 to 50, of the active" in paid["detail"]


@pytest.mark.parametrize(
  "utility, spread, said",
  [
    (0.9, 0.0, "no cost"),
    (0.897, 0.001, "no cost"),  # and yet below: within .01
    (0.87, 0.001, "it costs"),
    (0.9, 0.02, "is not ruled out"),
  ],
)
def test_no_cost_is_said_only_where_it_is_shown(utility, spread, said):
  parts = swept()
  later = parts["main"]["cut"] == 1
  for seed, away in enumerate((-spread, 0.0, spread)):
    parts["main"].loc[later, f"seed{seed}"] = utility + away + 0.001 * seed
  gained, _ = cuts.findings(cuts.measured(**parts))
  assert said in gained["text"]


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
      | {"party": "0", "metric": "accuracy", "primary": True, "rule": key[2]}
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
  assert natural["leaking"] == "passive completion by party 0"
  assert (natural["attacks"], natural["held"]) == (1, 0)
  assert np.isnan(natural["ceiling"]) and crossed["ceiling"] == 0.8
  assert (crossed["attacks"], crossed["held"]) == (1, 1)
  assert crossed["gradients_attack"] == "norm"
  assert crossed["gradients_advantage"] > 0.7


def test_the_crossed_task_is_learned_or_it_is_said_not_to_be():
  frame = pd.DataFrame(reassignment.measured(**reassigned()))
  crossed, related = reassignment.findings(frame)
  # (.75 - .1) / (.8 - .1) of the gain over guessing, in three seeds
  assert "is learned (test 0.750: 93% [93%, 93%] of the" in crossed["text"]
  assert "where guessing has 0.100" in crossed["text"]
  assert "1 of 1 attacks on embeddings" in crossed["text"]
  assert "0 of 1 on the natural task" in crossed["text"]
  assert "rank correlation +1.00" in related["text"]
  said = lambda: reassignment.findings(frame)[0]["text"]
  frame["learned_low"] = 0.85
  assert "may or may not be learned as far as it could be" in said()
  frame["learned_high"] = 0.89
  assert "is not learned as far as it could be" in said()
  frame["learned"] = np.nan
  assert "leaves nothing to learn" in said()


@pytest.mark.parametrize("splits", [1, 3])
def test_a_share_of_the_possible_gain_is_a_ratio_of_means(splits):
  utilities = pd.Series([0.6, 0.7, 0.8])
  ceilings = np.array([0.8, 0.9, 1.0])[:splits] if splits > 1 else [0.9]
  found = reassignment._learned(utilities, np.asarray(ceilings), 0.5)
  assert found["ceiling"] == pytest.approx(0.9)
  assert found["learned"] == pytest.approx(0.2 / 0.4)
  # deviations of the gain from half of the room, over what is possible
  deviations = [-0.05, 0, 0.05] if splits > 1 else [-0.1, 0, 0.1]
  half = 4.303 * np.std(deviations, ddof=1) / np.sqrt(3) / 0.4
  assert found["learned_high"] - 0.5 == pytest.approx(half, rel=1e-3)


def test_where_guessing_is_all_that_can_be_done_no_share_is_told():
  found = reassignment._learned(pd.Series([0.51, 0.52]), np.array([0.53]), 0.5)
  assert found["ceiling"] == 0.53 and np.isnan(found["learned"])


def small(question, cells):
  base: Any = common.experiment("small", "step")
  base.attacks = ("passive_completion", "norm", "similarity")
  base.record.epochs = (0,)
  base.evaluate.alignment = True
  base.seeds = 2
  base.train.steps_per_epoch = 3
  config: Any = schema.defaults("study")
  config.question, config.workers = question, 1
  config.bases.digits = base
  config.cells = tuple(
    {"labels": labels, "base": "digits", "set": changes}
    for labels, changes in cells
  )
  return validate.validate(config)


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
    (
      "alignment",
      [
        (
          {"data": "digits", "strength": s},
          {"task": {"name": "cross", "strength": s}},
        )
        for s in (0.0, 1.0)
      ],
      "class says 0.0",
    ),
    (
      "information",
      [
        (
          {"data": "digits", "model": "mlp"},
          {"information.estimators": ("classifier",), "attacks": ()},
        )
      ],
      "By classifier on rows held out",
    ),
    (
      "compensation",
      [
        (
          {"data": "digits", "cut": c},
          {
            "model.cut": c,
            "compensation": ("frozen_bottoms", "central_twin"),
            "attacks": (),
          },
        )
        for c in (1, 7)
      ],
      "Who does the work",
    ),
  ],
)
def test_a_study_answers_from_end_to_end(tmp_path, question, cells, words):
  path = study.run(small(question, cells), tmp_path)
  assert tables.read(tmp_path, "failed").empty
  table = {"information": "depth", "compensation": "compensated"}
  table["alignment"] = "aligned"
  frame = tables.read(tmp_path, table.get(question, question))
  if question == "alignment":
    frame = frame.drop_duplicates("strength")
  if question == "information":
    assert set(frame["samples"]) == {"held out", "trained on"}
  else:
    main = "federation" if question == "compensation" else "utility"
    assert len(frame) == len(cells) and frame[main].notna().all()
  html = path.read_text("utf-8")
  assert words in html and html.count("data:image/svg+xml") == 1


def by_depth(shares, seeds=SEEDS, **changes):
  """Information of two parties' bottoms, then of a top, a little by seed."""
  rows = []
  for seed in range(seeds):
    for party, nats in shares.items():
      for i, share in enumerate(nats):
        rows.append(
          {
            "data": "digits",
            "model": "mlp",
            "quantity": "I(T;Y)",
            "form": "flat",
            "epoch": 3,
            "estimator": "classifier",
            "samples": "held out",
            "seed": seed,
            "party": party,
            "layer": i,
            "stage": f"stage{i}",
            "nats": 2 * share + 0.001 * seed,
            "ceiling": 2.0,
            "floor": 0.0,
            "warning": "",
            "n": 500,
            **changes,
          }
        )
  return pd.DataFrame(rows)


GROWING = {
  "0": (0.1, 0.2, 0.3),
  "1": (0.3, 0.2, 0.1),
  "joint": (0.4, 0.45, 0.5, 0.8, 0.9),
}


def test_information_that_grows_at_the_merge_only_is_told_from_a_slope():
  frame = by_depth(GROWING)
  others = (
    by_depth(GROWING, form="pooled"),
    by_depth(GROWING, epoch=1, nats=9.0),
    by_depth(GROWING, quantity="I(X;T)"),
  )
  frame = information.flat(pd.concat([frame, *others], ignore_index=True))
  assert len(frame) == 11 * SEEDS
  (row,) = information.correlations(frame)
  assert row["bottom"] == pytest.approx(0)  # one rises, the other falls
  assert row["joint"] == pytest.approx(1)
  # of 12345 and 32145
  assert row["path"] == pytest.approx((1 + 1 - 6 * 8 / 120) / 2)
  assert row["input"] == pytest.approx(0.2, abs=0.01)
  assert row["output"] == pytest.approx(0.9, abs=0.01)
  found = pd.DataFrame(information.curves(frame))
  assert found["place"].value_counts().to_dict() == {"joint": 5, "bottom": 3}
  merged = found[(found["place"] == "joint") & (found["layer"] == 4)]
  assert merged["mean"].item() == pytest.approx(0.9, abs=0.01)
  (said,) = information.findings(pd.DataFrame([row]))
  assert "within a party in 0 of 1 pairs, and falls in 0;" in said["text"]
  assert "together it grows in 1 of 1" in said["text"]
  assert "with the step at the merge, it grows in 1" in said["detail"]
  assert row["joint_gain"] == pytest.approx(0.5)
  flat = pd.DataFrame([row]).assign(joint_gain_low=-0.1)
  (said,) = information.findings(flat)  # ranks alone are no evidence
  assert "together it grows in 0 of 1" in said["text"]


def compensated():
  key = {"data": "digits", "cut": 2}
  accuracy = {
    "federation": 0.9,
    "top on random bottoms": 0.5,
    "fresh top on trained bottoms": 0.9,
  }
  accuracies = [
    {
      **key,
      "what": what,
      "seed": seed,
      "accuracy": value + 0.001 * seed,
      "prior": 0.1,
    }
    for what, value in accuracy.items()
    for seed in range(SEEDS)
  ]
  probes = [
    {
      **key,
      "what": what,
      "party": party,
      "family": family,
      "seed": seed,
      "nats": nats * (1 if family == "linear" else 2),
      "ceiling": 2.0,
    }
    for what, party, nats in (
      ("federation", "0", 0.4),
      ("federation", "1", 0.8),
      ("federation", "joint", 1.8),
      ("untrained", "0", 0.2),
      ("untrained", "joint", 0.2),
    )
    for family in ("linear", "mlp")
    for seed in range(SEEDS)
  ]
  return pd.DataFrame(accuracies), pd.DataFrame(probes)


def test_what_needs_no_trained_bottom_is_a_share_of_the_gain():
  accuracies, probes = compensated()
  (row,) = compensation.measured(accuracies, probes)
  assert row["share_random"] == pytest.approx(0.5, abs=0.01)
  assert row["share_fresh"] == pytest.approx(1)
  assert np.isnan(row["central"])
  assert row["probe"] == pytest.approx(0.3)  # mean of two parties, linear
  assert row["probe_mlp"] == pytest.approx(0.6)
  assert row["joint"] == pytest.approx(0.9)
  assert row["untrained"] == pytest.approx(0.1)
  (said,) = compensation.findings(pd.DataFrame([row, {**row, "cut": 5}]))
  assert compensation.findings(pd.DataFrame([row])) == []
  assert "reaches 50% [" in said["text"] and "0.30 and 0.30" in said["detail"]
  learned_nothing = accuracies.assign(accuracy=accuracies["accuracy"] - 0.8)
  (row,) = compensation.measured(learned_nothing, probes)
  assert np.isnan(row["share_fresh"])
  (bare,) = compensation.measured(accuracies, pd.DataFrame())
  assert np.isnan(bare["probe"])
