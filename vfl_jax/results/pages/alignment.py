"""What the report of a study of graded alignment shows."""

import pathlib

from vfl_jax.results.pages import sections
from vfl_jax.results import tables

_SIGNED = "{:+.3f}"


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, from the files of a workdir."""
  aligned, slopes = (tables.read(workdir, n) for n in ("aligned", "slopes"))
  named = [
    sections.Column("data", sections.words("data"), number=False),
    sections.Column("attack", sections.words("attack"), number=False),
    sections.Column("party", sections.words("party"), number=False),
    sections.Column("rows", sections.words("rows"), number=False),
  ]
  return [
    sections.section(
      "What attacks find, by what a party's class says",
      "From left to right the label is more and more often the class that "
      "party 0 holds; at the left end no party alone knows anything of it. The "
      "score of a control rises as that of an attack does: only the difference "
      "is owed to the federation.",
      aligned,
      [
        named[0],
        sections.Column("strength", sections.words("strength")),
        *named[1:],
        sections.Column("class says", sections.number("information")),
        sections.Column("main task", sections.between("utility")),
        sections.Column("score", sections.number("score")),
        sections.Column("control", sections.number("control")),
        sections.Column("advantage", sections.between("advantage", _SIGNED)),
      ],
      figure="alignment",
      note="Class says: the mutual information of the label and the class that "
      "the party holds, as a share of H(Y). Intervals are of each row alone.",
    ),
    sections.section(
      "How the advantage changes",
      "A line through the advantages of each seed, from a class of party 0 "
      "that says nothing to one that says all.",
      slopes,
      [
        *named,
        sections.Column("score", sections.number("score_slope", _SIGNED)),
        sections.Column("control", sections.number("control_slope", _SIGNED)),
        sections.Column("advantage", sections.between("slope", _SIGNED)),
      ],
      note="Intervals of all rows of one data set hold at once.",
    ),
  ]
