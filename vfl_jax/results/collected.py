"""Names and columns of the tables that join all cells of a study."""

import pandas as pd

COLLECTED = (
  "main",
  "attacks",
  "leakage",
  "exposure",
  "privacy",
  "cost",
  "alignment",
  "information",
  "compensation",
  "probes",
)


def labelled(frame, labels):
  """The table of one cell, with the cell's labels as its first columns.

  Args:
    frame: table of the cell.
    labels: label columns and their values.

  Returns:
    The frame with the label columns in front; a column of the frame with the
    name of a label gets the prefix "own_".
  """
  front = pd.DataFrame([labels] * len(frame), index=frame.index)
  clash = {name: f"own_{name}" for name in labels if name in frame}
  return pd.concat([front, frame.rename(columns=clash)], axis=1)
