"""One self-contained HTML file from a workdir's tables."""

import base64
import json
import os
import pathlib

import jinja2

from vfl_jax import plots
from vfl_jax import tables
from vfl_jax.report import audit
from vfl_jax.report import calibration
from vfl_jax.report import experiment
from vfl_jax.report import study

__all__ = ["write"]

_PAGES = {
  "experiment": experiment.contents,
  "calibration": calibration.contents,
  "study": study.contents,
  "audit": audit.contents,
}


def write(workdir: str | os.PathLike[str]) -> pathlib.Path:
  """Draw the figures and write report.html; returns its path."""
  workdir = pathlib.Path(workdir)
  config = json.loads((workdir / "config.json").read_text("utf-8"))
  figures = {
    name: "data:image/svg+xml;base64,"
    + base64.b64encode(path.read_bytes()).decode()
    for name, path in plots.write(workdir).items()
  }
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader("vfl_jax"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  html = environment.get_template(f"{config['kind']}.html").render(
    figures=figures,
    config=config,
    config_text=json.dumps(config, indent=1),
    status=tables.status(workdir),
    **_PAGES[config["kind"]](workdir, config),
  )
  path = workdir / "report.html"
  tables.write_text(path, html)
  return path
