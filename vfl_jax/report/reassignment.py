"""What the report of a study of reassigned tasks shows."""

import pathlib

from vfl_jax import tables
from vfl_jax.report import sections
from vfl_jax.report.sections import between
from vfl_jax.report.sections import Column
from vfl_jax.report.sections import number
from vfl_jax.report.sections import words

_SIGNED = "{:+.3f}"


def _held(row) -> str:
  return f"{int(row['held'])} of {int(row['attacks'])}"


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, all of it from files."""
  frame = tables.read(workdir, "reassignment")
  return [
    sections.section(
      "Alignment, and what it gives away",
      "Few labels: what a semi-supervised learner finds in the party's own "
      "features, with the attacker's labels and no federation. A score on the "
      "dotted diagonal is what those features give away by themselves; only "
      "the leakage advantage, below, is owed to the federation.",
      frame,
      [
        Column("data", words("data"), number=False),
        Column("task", words("task"), number=False),
        Column("main task", between("utility")),
        Column("ceiling", number("ceiling")),
        Column("prior", number("prior")),
        Column("informative", number("informative", _SIGNED)),
        Column("few labels", number("few_labels", _SIGNED)),
        Column("clusters", number("clusters", _SIGNED)),
        Column("attack", number("embeddings_score")),
        Column(
          "advantage", between("embeddings_advantage", _SIGNED, "embeddings_")
        ),
        Column("at or below control", _held),
      ],
      figure="reassignment",
      note="Test rows. Informative: a learner with every label; clusters: "
      "k-means, named as kindly as can be; both and few labels above the "
      "prior. The attack is the strongest on embeddings; at or below control: "
      "of all of them, by party, those whose whole interval is; ceiling is "
      "what the parties' own classifiers, put together, reach on a crossed "
      "task.",
    ),
    sections.section(
      "What else attacks find",
      "Cut gradients carry the task's labels by construction, and bottoms may "
      "learn training rows by heart: reassignment is no defence against "
      "either.",
      frame,
      [
        Column("data", words("data"), number=False),
        Column("task", words("task"), number=False),
        *(
          Column(title, between(f"{key}_advantage", _SIGNED, f"{key}_"))
          for title, key in (
            ("embeddings, training rows", "train"),
            ("gradients", "gradients"),
            ("clustering", "clustering"),
          )
        ),
      ],
      note="Leakage advantages of the strongest attack of each kind.",
    ),
  ]
