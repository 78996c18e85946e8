"""What the report of a sweep over the cut shows."""

import pathlib

from vfl_jax.results.pages import sections
from vfl_jax.results import tables

_SIGNED = "{:+.3f}"


def contents(workdir: pathlib.Path) -> list[sections.Section]:
  """The sections of the page, from the files of a workdir."""
  frame = tables.read(workdir, "cuts")
  frame["cut"] = frame["cut"].astype(int)
  where = [
    sections.Column("data", sections.words("data"), number=False),
    sections.Column("cut", sections.number("cut", "{}")),
    sections.Column("advanced", sections.number("advance", "{:+d}")),
  ]
  return [
    sections.section(
      "Every cut",
      "From raw features (cut 0: nothing comes down) to summed logits (no "
      "top). Rings mark the reference cut, the one the literature on attacks "
      "uses.",
      frame,
      [
        *where,
        sections.Column("main task", sections.between("utility")),
        *(
          sections.Column(title, sections.between(kind, _SIGNED))
          for title, kind in (
            ("completion", "completion"),
            ("as deep as needed", "adaptive"),
            ("gradients", "gradient"),
            ("clustering", "clustering"),
          )
        ),
        sections.Column(
          "features exposed", sections.number("exposed", "{:.2f}")
        ),
      ],
      figure="cuts",
      note="Test rows for the main task; leakage advantages of the strongest "
      "attack of each kind on training rows. As deep as needed: completion "
      "with a head of as many layers as are missing.",
    ),
    sections.section(
      "Who pays",
      "Forward work and traffic of one sample, parameters, and what one batch "
      "keeps in memory; of the passive parties the one with the most.",
      frame,
      [
        *where,
        *(
          sections.Column(title, sections.number(key, "{:,}"))
          for title, key in (
            ("bytes up", "up_bytes"),
            ("bytes down", "down_bytes"),
            ("FLOPs, passive", "flops_passive"),
            ("FLOPs, active", "flops_active"),
            ("FLOPs, all", "flops_total"),
            ("parameters, passive", "parameters_passive"),
            ("parameters, active", "parameters_active"),
            ("activations, passive", "activation_bytes_passive"),
            ("activations, active", "activation_bytes_active"),
          )
        ),
      ],
    ),
  ]
