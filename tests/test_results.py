"""What the documents say of the committed results follows from their files."""

import pathlib

import pandas as pd

from vfl_jax.questions import tradeoff
from vfl_jax.questions import verdicts
from vfl_jax.report import tradeoff as reports

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs" / "results"
TEXTS = {"strength": str}


def signed(row, name):
  mean, low, high = (row[name + end] for end in ("", "_low", "_high"))
  return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def defended():
  frame = pd.read_csv(DOCS / "defenses.csv", dtype=TEXTS)
  cells = tradeoff.gathered(frame)
  return cells, pd.DataFrame(verdicts.advances(cells))


def test_verdicts_on_defences_are_those_of_the_file():
  cells, steps = defended()
  page = (DOCS / "defenses.md").read_text("utf-8")
  counted = reports.counts(steps).to_dict("records")
  assert len(counted) > 12
  for row in counted:
    counts = " | ".join(str(row[v]) for v in reports.VERDICTS)
    data = row["data"].replace("_", " ")
    line = f"| {row['question']} | {data} | {row['advance']} | {counts} |"
    assert line in page
  for row in steps[steps["question"] == "alone"].to_dict("records"):
    data = row["data"].replace("_", " ")
    line = (
      f"| {data} | {row['advance']} | {signed(row, 'utility')} | "
      f"{signed(row, 'leakage')} | {row['exposed']:+.2f} | {row['verdict']} |"
    )
    assert line in page
  usual = cells[(cells["defense"] == "none") & (cells["advance"] == 0)]
  for row in usual.to_dict("records"):
    data = row["data"].replace("_", " ")
    line = (
      f"| {data} | {row['utility']:.3f} | {row['completion']:+.3f} | "
      f"{row['gradient']:+.3f} | {row['clustering']:+.3f} | "
      f"{row['exposed']:.2f} |"
    )
    assert line in page


def test_every_defence_is_in_the_file_at_every_strength():
  from configs import ranges

  cells, _ = defended()
  for data, classes in (
    ("digits", 10),
    ("credit_default", 2),
    ("fashion_mnist", 10),
  ):
    own = cells[cells["data"] == data]
    wanted = {
      (c["labels"]["defense"], c["labels"]["strength"])
      for c in ranges.defended({data: classes})
    }
    there = set(zip(own["defense"], own["strength"], strict=True))
    page = (DOCS / "defenses.md").read_text("utf-8")
    for name, strength in wanted - there:  # those that diverged are named
      assert f"{name} {strength}" in page
