"""What the report of a study of reassigned tasks shows."""

import pathlib

from vfl_jax.results.pages import sections
from vfl_jax.results import tables

_SIGNED = "{:+.3f}"


def _held(row) -> str:
  return f"{int(row['held'])} of {int(row['attacks'])}"


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, from the files of a workdir."""
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
        sections.Column("data", sections.words("data"), number=False),
        sections.Column("task", sections.words("task"), number=False),
        sections.Column("main task", sections.between("utility")),
        sections.Column("ceiling", sections.number("ceiling")),
        sections.Column("prior", sections.number("prior")),
        sections.Column("informative", sections.number("informative", _SIGNED)),
        sections.Column("few labels", sections.number("few_labels", _SIGNED)),
        sections.Column("clusters", sections.number("clusters", _SIGNED)),
        sections.Column("attack", sections.number("embeddings_score")),
        sections.Column(
          "advantage",
          sections.between("embeddings_advantage", _SIGNED, "embeddings_"),
        ),
        sections.Column("at or below control", _held),
      ],
      figure="reassignment",
      note="Test rows. Informative: a learner with every label; clusters: "
      "k-means with the best matching of clusters to classes; both and few "
      "labels above the prior. The attack is the strongest on embeddings; at "
      "or below control: the number of those, by party, whose whole interval "
      "is. Ceiling: the score of the parties' own classifiers, put together, "
      "on a crossed task.",
    ),
    sections.section(
      "What else attacks find",
      "Cut gradients carry the task's labels by construction, and bottoms may "
      "learn training rows by heart: reassignment is no defence against "
      "either.",
      frame,
      [
        sections.Column("data", sections.words("data"), number=False),
        sections.Column("task", sections.words("task"), number=False),
        *(
          sections.Column(
            title, sections.between(f"{key}_advantage", _SIGNED, f"{key}_")
          )
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
