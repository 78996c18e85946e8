"""What the report of a study of information by depth shows."""

import pathlib

from vfl_jax import tables
from vfl_jax.report import sections
from vfl_jax.report.sections import between
from vfl_jax.report.sections import Column
from vfl_jax.report.sections import number
from vfl_jax.report.sections import words

_SIGNED = "{:+.2f}"


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, all of it from files."""
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
        Column("data", words("data"), number=False),
        Column("model", words("model"), number=False),
        Column("estimator", words("estimator"), number=False),
        Column("rows", words("samples"), number=False),
        Column("a party's path", between("path", _SIGNED)),
        Column("below the cut", between("bottom", _SIGNED)),
        Column("all parties", between("joint", _SIGNED)),
        Column("at the input", number("input", "{:.2f}")),
        Column("at the cut", number("cut", "{:.2f}")),
        Column("at the end", number("output", "{:.2f}")),
        Column("marked", number("marked", "{:.0%}")),
        Column("rows", number("n", "{:.0f}")),
      ],
      figure="depth",
      note="Path, below the cut, all parties: Spearman's correlation of depth "
      "and information, mean over seeds with 95 % interval; nothing for fewer "
      "than three layers. The other columns: shares of H(Y). Marked: the "
      "share of estimates that carry a warning (saturated, not told from the "
      "floor, too few samples).",
    )
  ]
