"""Figures drawn from tables, never from live objects."""

import os
import pathlib

import matplotlib

from vfl_jax.results.figures import alignment
from vfl_jax.results.figures import attacks
from vfl_jax.results.figures import audit
from vfl_jax.results.figures import calibration
from vfl_jax.results.figures import compensation
from vfl_jax.results.figures import cuts
from vfl_jax.results.figures import information
from vfl_jax.results.figures import interventions
from vfl_jax.results.figures import layers
from vfl_jax.results.figures.layers import final
from vfl_jax.results.figures import reassignment
from vfl_jax.results.figures import roc
from vfl_jax.results.figures import style
from vfl_jax.results.figures import tradeoff
from vfl_jax.results.figures import training
from vfl_jax.results import tables

__all__ = ["FIGURES", "final", "write"]

# name of a figure: the table that it is drawn from, and the function
FIGURES = {
  "training": ("training", training.training),
  "information": ("information", layers.information),
  "information_map": ("information", layers.information_map),
  "information_epochs": ("information", layers.information_epochs),
  "compensation": ("compensation", interventions.compensation),
  "probes": ("probes", interventions.probes),
  "attacks": ("attacks", attacks.attacks),
  "roc": ("roc", roc.roc),
  "calibration": ("calibration", calibration.calibration),
  "calibration_errors": ("calibration", calibration.calibration_errors),
  "cut_alone": ("tradeoff", tradeoff.cut_alone),
  "pareto": ("tradeoff", tradeoff.pareto),
  "cuts": ("cuts", cuts.cuts),
  "options": ("options", audit.options),
  "sides": ("options", audit.sides),
  "depth": ("curves", information.depth),
  "compensated": ("compensated", compensation.compensated),
  "reassignment": ("reassignment", reassignment.reassignment),
  "alignment": ("aligned", alignment.alignment),
}


def write(workdir: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
  """Draw every figure whose table exists, as .svg and .png.

  Args:
    workdir: folder of the run.

  Returns:
    Paths of the .svg files, by name of the figure.
  """
  paths = {}
  folder = pathlib.Path(workdir) / "figures"
  folder.mkdir(parents=True, exist_ok=True)
  for name, (table, draw) in FIGURES.items():
    frame = tables.read(workdir, table)
    if frame.empty:
      continue
    with matplotlib.rc_context(style.RC):
      figure = draw(frame)
      if figure is None:
        continue
      if name == "training":
        figure.tight_layout()
      for suffix, options in (
        ("svg", {"metadata": {"Date": None}}),
        ("png", {"dpi": 150}),
      ):
        path = folder / f"{name}.{suffix}"
        partial = folder / f".{name}.partial.{suffix}"
        figure.savefig(partial, **options)
        os.replace(partial, path)
        paths.setdefault(name, path)
  return paths
