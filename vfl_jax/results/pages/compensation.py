"""What the report of a study of model compensation shows."""

import pathlib

from vfl_jax.results.pages import sections
from vfl_jax.results import tables


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, from the files of a workdir."""
  frame = tables.read(workdir, "compensated")
  where = [
    sections.Column("data", sections.words("data"), number=False),
    sections.Column("cut", sections.number("cut", "{}")),
  ]
  return [
    sections.section(
      "Who does the work",
      "A top on frozen random bottoms: what needs no trained bottom. A fresh "
      "top on the trained bottoms: what of the mapping is below the cut. The "
      "same network trained in one place: what splitting costs.",
      frame,
      [
        *where,
        *(
          sections.Column(title, sections.between(key))
          for title, key in (
            ("federation", "federation"),
            ("random bottoms", "random"),
            ("fresh top", "fresh"),
            ("central twin", "central"),
          )
        ),
        sections.Column("prior", sections.number("prior")),
      ],
      figure="compensated",
      note="Test accuracy, mean over seeds with 95 % interval.",
    ),
    sections.section(
      "What embeddings say",
      "Usable information about the labels at the cut by a linear probe, as a "
      "share of H(Y): cross entropy saved on rows that nobody was trained on.",
      frame,
      [
        *where,
        *(
          sections.Column(title, sections.between(key, "{:.2f}"))
          for title, key in (
            ("a party's embedding", "probe"),
            ("of a random bottom", "untrained"),
            ("all embeddings", "joint"),
            ("central twin", "central_probe"),
            ("a party's, by a perceptron", "probe_mlp"),
            ("random, by a perceptron", "untrained_mlp"),
          )
        ),
      ],
    ),
  ]
