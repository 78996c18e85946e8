"""What the report of a study of information by depth shows."""

import pathlib

from vfl_jax.results.pages import sections
from vfl_jax.results import tables

_SIGNED = "{:+.2f}"


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, from the files of a workdir."""
  return [
    sections.section(
      "Information by depth",
      "Estimates of I(T;Y) as shares of H(Y), cross-fitted: hollow points are "
      "the parties' own layers (their mean), filled ones the layers of all "
      "parties together, side by side below the cut and merged above it. A "
      "party's path ends in the merged layers: the step there is the other "
      "parties' information. Shannon information cannot grow along a chain: "
      "what grows is what an observer of bounded means can read.",
      tables.read(workdir, "depth"),
      [
        sections.Column("data", sections.words("data"), number=False),
        sections.Column("model", sections.words("model"), number=False),
        sections.Column("estimator", sections.words("estimator"), number=False),
        sections.Column("rows", sections.words("samples"), number=False),
        sections.Column("a party's path", sections.between("path", _SIGNED)),
        sections.Column("below the cut", sections.between("bottom", _SIGNED)),
        sections.Column("all parties", sections.between("joint", _SIGNED)),
        sections.Column("at the input", sections.number("input", "{:.2f}")),
        sections.Column("at the cut", sections.number("cut", "{:.2f}")),
        sections.Column("at the end", sections.number("output", "{:.2f}")),
        sections.Column("marked", sections.number("marked", "{:.0%}")),
        sections.Column("rows", sections.number("n", "{:.0f}")),
      ],
      figure="depth",
      note="Path, below the cut, all parties: Spearman's correlation of depth "
      "and information, mean over seeds with 95 % interval; nothing for fewer "
      "than three layers. The other columns: shares of H(Y). Marked: the "
      "share of estimates that carry a warning (saturated, not told from the "
      "floor, too few samples).",
    )
  ]
