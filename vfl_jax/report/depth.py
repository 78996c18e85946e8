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
      "the parties' own layers (their mean), filled ones the merged layers of "
      "the top; the step between them is the merge. Shannon information cannot "
      "grow along a chain of layers: what grows there is what an observer of "
      "bounded means can read.",
      tables.read(workdir, "depth"),
      [
        Column("data", words("data"), number=False),
        Column("model", words("model"), number=False),
        Column("estimator", words("estimator"), number=False),
        Column("rows", words("samples"), number=False),
        Column("rank correlation, path", between("path", _SIGNED)),
        Column("bottoms", between("bottom", _SIGNED)),
        Column("top", between("top", _SIGNED)),
        Column("at the input", number("input", "{:.2f}")),
        Column("at the cut", number("cut", "{:.2f}")),
        Column("at the end", number("output", "{:.2f}")),
        Column("marked", number("marked", "{:.0%}")),
        Column("rows", number("n", "{:.0f}")),
      ],
      figure="depth",
      note="Spearman's correlation of depth and information, mean over seeds "
      "with 95 % interval; nothing for fewer than three layers. Marked: the "
      "share of estimates that carry a warning (saturated, not told from the "
      "floor, too few samples).",
    )
  ]
