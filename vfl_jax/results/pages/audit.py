"""What the report of an audit shows."""

import json
import pathlib
from typing import Any

from vfl_jax.results.pages import sections
from vfl_jax.results import tables

_SIGNED = "{:+.3f}"


def contents(workdir: pathlib.Path, config: Any) -> dict[str, Any]:
  """The variables of audit.html, from the files of a workdir."""
  answer = json.loads((workdir / "audit.json").read_text("utf-8"))
  frame = tables.read(workdir, "options").sort_values(
    ["defense", "cut"], key=lambda c: c if c.name == "cut" else c != "none"
  )
  frame = frame.assign(
    mark=[
      ", ".join(k for k in ("chosen", "reference", "front") if row[k])
      for row in frame.to_dict("records")
    ]
  )
  rows = {row["name"]: row for row in frame.to_dict("records")}
  usual = rows.get(answer["reference"])
  chosen = rows.get(answer["recommendation"] or "")
  return {
    "answer": answer,
    "chosen": chosen,
    "usual": usual,
    "told": [_told(chosen)] if chosen else [],
    "limits": _limits(config["audit"]),
    "known": config["evaluate"]["aux_per_class"],
    "classes_known": config["evaluate"]["label_prior"],
    "coalitions": config["evaluate"]["coalitions"],
    "sections": _sections(frame, config),
  }


def _told(row) -> str:
  """A sentence on the strongest attack, by the meaning of its metric."""
  score, control = row["leak_score"], row["leak_control_score"]
  who = f"{row['leak_attack'].replace('_', ' ')} by party {row['leak_party']}"
  metric = row["leak_metric"]
  if metric in ("accuracy", "balanced_accuracy"):
    of = " of each class" if metric == "balanced_accuracy" else ""
    return (
      f"Of 100 training labels{of} the strongest attack ({who}) names "
      f"{100 * score:.0f} right; whoever does without the federation names "
      f"{100 * control:.0f} ({row['leak_control']})."
    )
  return (
    f"The strongest attack ({who}) orders training labels with a "
    f"{metric.replace('_', ' ').upper()} of {score:.2f}; whoever does without "
    f"the federation reaches {control:.2f} ({row['leak_control']}); a guess "
    "is right in .50 of the pairs."
  )


def _limits(section) -> list[str]:
  side = {
    "labels": "the labels of the active party",
    "features": "the features of the passive parties",
    "both": "whichever of labels and features is worse off",
  }[section["protect"]]
  limits = [
    f"protect {side}",
    f"lose at most {section['max_utility_loss']:g} on the main task",
  ]
  if section["max_leakage"] < 1:
    limits.append(
      f"at most {section['max_leakage']:.0%} of what guessing leaves of the "
      "labels leaked"
    )
  if section["max_exposed"] < 1:
    limits.append(f"at most {section['max_exposed']:.0%} of features exposed")
  if section["max_bytes"]:
    limits.append(f"at most {section['max_bytes']:,} bytes a sample")
  return limits


def _sections(frame, config) -> list[sections.Section]:
  return [
    _every_option(frame, config["seeds"]),
    _whose_privacy(frame),
    _what_it_costs(frame),
  ]


def _every_option(frame, seeds) -> sections.Section:
  return sections.section(
    "Every option",
    "Main task against what leaks, and what the two sides pay. Better is "
    "right and low in the first panel. Moving the cut forward usually "
    "takes from the features what it gives to the labels.",
    frame,
    [
      sections.Column("option", sections.words("name"), number=False),
      sections.Column("", sections.words("mark"), number=False),
      sections.Column(
        "main task, test", sections.between("test_mean", prefix="test_")
      ),
      sections.Column("validation", sections.number("validation_mean")),
      sections.Column("labels leaked", sections.between("leak", _SIGNED)),
      sections.Column("features exposed", sections.number("exposed", "{:.0%}")),
      sections.Column("not taken for", sections.words("misses"), number=False),
    ],
    figure="options",
    note=f"Means over {seeds} seeds with 95 % intervals. Labels leaked: what "
    "the strongest attack gets beyond the strongest control, as a share of "
    "what guessing leaves, on training rows. It is the largest of up to "
    f"{int(frame['tries'].max())} (attacks by parties), and so too large by "
    "chance; that of the option chosen is the smallest of several, and so "
    "too small. Features exposed: of the passive party worst off, test rows. "
    "Front: no other option is better in one of main task (validation), "
    "leakage and exposure, and as good in the others.",
  )


def _whose_privacy(frame) -> sections.Section:
  return sections.section(
    "Whose privacy",
    "By the cut: what attacks on labels gain, and the share of the passive "
    "parties' features that the active party rebuilds from what they send.",
    frame,
    [
      sections.Column("option", sections.words("name"), number=False),
      sections.Column(
        "strongest attack", sections.words("leak_attack"), number=False
      ),
      sections.Column("by party", sections.words("leak_party")),
      sections.Column("in", sections.words("leak_metric"), number=False),
      sections.Column("scores", sections.number("leak_score")),
      sections.Column("control", sections.words("leak_control"), number=False),
      sections.Column("scores", sections.number("leak_control_score")),
      sections.Column(
        "advantage on test rows", sections.between("leak_test", _SIGNED)
      ),
    ],
    figure="sides",
  )


def _what_it_costs(frame) -> sections.Section:
  return sections.section(
    "What it costs",
    "Forward work and traffic of one sample; of the passive parties the one "
    "with the most.",
    frame,
    [
      sections.Column("option", sections.words("name"), number=False),
      sections.Column(
        "a passive party runs", sections.words("stages"), number=False
      ),
      *(
        sections.Column(title, sections.number(key, "{:,}"))
        for title, key in (
          ("bytes up", "up_bytes"),
          ("bytes down", "down_bytes"),
          ("FLOPs, passive", "flops_passive"),
          ("FLOPs, active", "flops_active"),
          ("parameters, passive", "parameters_passive"),
          ("parameters, active", "parameters_active"),
        )
      ),
    ],
  )
