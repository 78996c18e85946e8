"""Figures from tables, never from live objects."""

import os
import pathlib

import matplotlib

from vfl_jax import tables
from vfl_jax.plots import audit
from vfl_jax.plots import calibration
from vfl_jax.plots import compensated
from vfl_jax.plots import compensation
from vfl_jax.plots import cuts
from vfl_jax.plots import depth
from vfl_jax.plots import information
from vfl_jax.plots import leakage
from vfl_jax.plots import reassignment
from vfl_jax.plots import style
from vfl_jax.plots import tradeoff
from vfl_jax.plots import training
from vfl_jax.plots.information import final
from vfl_jax.plots.style import spread

__all__ = ["FIGURES", "final", "spread", "write"]

# figure: the table it is drawn from, and how
FIGURES = {
  "training": ("training", training.training),
  "information": ("information", information.information),
  "information_map": ("information", information.information_map),
  "information_epochs": ("information", information.information_epochs),
  "compensation": ("compensation", compensation.compensation),
  "probes": ("probes", compensation.probes),
  "attacks": ("attacks", leakage.attacks),
  "calibration": ("calibration", calibration.calibration),
  "calibration_errors": ("calibration", calibration.calibration_errors),
  "cut_alone": ("tradeoff", tradeoff.cut_alone),
  "pareto": ("tradeoff", tradeoff.pareto),
  "cuts": ("cuts", cuts.cuts),
  "options": ("options", audit.options),
  "sides": ("options", audit.sides),
  "depth": ("curves", depth.depth),
  "compensated": ("compensated", compensated.compensated),
  "reassignment": ("reassignment", reassignment.reassignment),
}


def write(workdir: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
  """Every figure whose table is there, as .png and .svg; paths of the svg."""
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
