"""What the report of a study shows: for all studies, and by question."""

import json
import pathlib
from typing import Any

from vfl_jax.results.pages import alignment
from vfl_jax.results.pages import compensation
from vfl_jax.results.pages import cuts
from vfl_jax.results.pages import information
from vfl_jax.results.pages import reassignment
from vfl_jax.results.pages import tradeoff
from vfl_jax.results import tables

# sections by question; questions in OWN have their own template
SECTIONS = {
  "alignment": alignment.contents,
  "reassignment": reassignment.contents,
  "cuts": cuts.contents,
  "information": information.contents,
  "compensation": compensation.contents,
}
OWN = {"tradeoff": tradeoff.contents}


def contents(workdir: pathlib.Path, config: Any) -> dict[str, Any]:
  """The variables of study.html, from the files of a workdir."""
  question = config["question"]
  failed = tables.read(workdir, "failed").fillna("").to_dict("records")
  return {
    "caveat": "",
    "findings": tables.read(workdir, "findings").to_dict("records"),
    "sections": SECTIONS[question](workdir) if question in SECTIONS else (),
    **(OWN[question](workdir) if question in OWN else {}),
    "failed": [
      {
        "cell": ", ".join(
          f"{k} {v}"
          for k, v in row.items()
          if k not in ("folder", "reason") and v != ""
        ),
        "reason": row["reason"],
      }
      for row in failed
    ],
    "about": {
      name: {
        "model": base["model"]["name"],
        "seeds": base["seeds"],
        "rows": base["data"]["train_size"],
        "aux": base["evaluate"]["aux_per_class"],
        "steps": base["evaluate"]["attack_steps"],
      }
      for name, base in config["bases"].items()
    },
    "bases_text": json.dumps(config["bases"], indent=1),
  }
