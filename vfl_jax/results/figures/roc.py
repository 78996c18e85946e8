"""Figure of what is found at few errors, on two logarithmic axes."""

from matplotlib import figure as figures
import numpy as np
import pandas as pd

from vfl_jax.results.figures import style
from vfl_jax.results import intervals

_LOWEST = 1e-3
_LINES = (("attack", style.COLOURS[1]), ("strongest control", style.COLOURS[0]))


def roc(frame: pd.DataFrame) -> figures.Figure:
  """Draw, for each party, the attack that finds most beside its control.

  Attacks are compared by what they find at 1 % of false positives; the control
  of an attack is the one that finds most there.
  """
  parties = sorted(frame["party"].astype(str).unique())
  figure, axes = style.panels(len(parties), 3, 3.0, 2.8)
  for axis, party in zip(axes.flat, parties, strict=False):
    own = frame[frame["party"].astype(str) == party]
    at = own[(own["false"] == 0.01) & (own["what"] == "attack")]
    name, rows = at.groupby(["attack", "rows"])["found"].mean().idxmax()
    own = own[(own["attack"] == name) & (own["rows"] == rows)]
    controls = own[own["what"] != "attack"]
    lines = {"attack": own[own["what"] == "attack"]}
    if len(controls):
      at = controls[controls["false"] == 0.01]
      best = at.groupby("what")["found"].mean().idxmax()
      lines["strongest control"] = controls[controls["what"] == best]
    for label, colour in _LINES:
      if label in lines:
        _line(axis, lines[label], label, colour)
    axis.plot([_LOWEST, 1], [_LOWEST, 1], ":", color=style.GREY, label="chance")
    axis.set(xscale="log", yscale="log", xlim=(_LOWEST, 1), ylim=(_LOWEST, 1.1))
    attack = str(name).replace("_", " ")
    axis.set_title(f"party {party}, {rows} rows\n{attack}")
    axis.set_xlabel("false positives")
    axis.set_ylabel("true positives")
  style.legend_above(figure, axes.flat[0])
  return figure


def _line(axis, frame, label, colour):
  groups = frame.groupby("false")["found"]
  mean, half = groups.mean(), groups.apply(intervals.half_width)
  low, high = ((mean + s * half).clip(_LOWEST, 1) for s in (-1, 1))
  axis.plot(mean.index, np.maximum(mean, _LOWEST), color=colour, label=label)
  axis.fill_between(mean.index, low, high, color=colour, alpha=0.15, lw=0)
