"""What a defence gains and costs, and whether advancing the cut gains more.

Cells are labelled by data, defense (possibly "none"), strength and advance (of
the cut). Two cells are compared seed by seed: they share data, draws and, where
their networks agree, initial values.
"""

import os

import pandas as pd

from vfl_jax.results.answers import cells as answer_cells
from vfl_jax.results.answers import verdicts
from vfl_jax.results import tables


def read(workdir: str | os.PathLike[str]) -> None:
  """Write the tables "tradeoff", "advances", "margins" and "findings"."""
  frames = {
    name: answer_cells.labelled(tables.read(workdir, f"all_{name}"))
    for name in ("main", "attacks", "exposure", "cost")
  }
  cells = answer_cells.measured(**frames)
  tables.write(workdir, "tradeoff", answer_cells.spread(cells))
  steps = verdicts.advances(cells)
  tables.write(workdir, "advances", steps)
  tables.write(workdir, "margins", [verdicts.MARGINS])
  failed = tables.read(workdir, "failed")
  sentences = verdicts.findings(cells, pd.DataFrame(steps), failed)
  tables.write(workdir, "findings", sentences + silent(frames["main"], cells))


def silent(main: pd.DataFrame, cells: pd.DataFrame) -> list[dict[str, str]]:
  """A sentence on the cells in which no attack answered, if there are any.

  Args:
    main: scores of the main task of all cells.
    cells: cells as `cells.measured` gives them.
  """
  measured_ones = set(cells[verdicts.CELL].itertuples(index=False, name=None))
  missing = sorted(
    set(main[verdicts.CELL].itertuples(index=False, name=None)) - measured_ones
  )
  if not missing:
    return []
  return [
    {
      "text": f"In {len(missing)} experiments no attack had an answer: they "
      "are in no comparison",
      "detail": "; ".join(", ".join(map(str, cell)) for cell in missing),
    }
  ]
