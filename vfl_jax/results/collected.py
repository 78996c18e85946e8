"""Tables of all cells of a study, joined."""

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
  """A cell's table, its labels in front; clashing columns get "own_"."""
  front = pd.DataFrame([labels] * len(frame), index=frame.index)
  clash = {name: f"own_{name}" for name in labels if name in frame}
  return pd.concat([front, frame.rename(columns=clash)], axis=1)
