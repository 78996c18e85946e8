"""What every study's report shows, and what it shows by its question."""

import json
import pathlib
from typing import Any

from vfl_jax import tables
from vfl_jax.report import compensated
from vfl_jax.report import cuts
from vfl_jax.report import depth
from vfl_jax.report import reassignment
from vfl_jax.report import tradeoff

# sections by question; others have a template of their own besides
SECTIONS = {
  "reassignment": reassignment.contents,
  "cuts": cuts.contents,
  "information": depth.contents,
  "compensation": compensated.contents,
}
OWN = {"tradeoff": tradeoff.contents}


def contents(workdir: pathlib.Path, config: Any) -> dict[str, Any]:
  """What study.html shows, all of it from files."""
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
