"""Self-contained HTML pages, from the tables of one workdir or of many."""

import base64
from collections.abc import Iterable
import json
import os
import pathlib

import jinja2

from vfl_jax.results import figures as result_figures
from vfl_jax.results import files
from vfl_jax.results.pages import audit
from vfl_jax.results.pages import calibration
from vfl_jax.results.pages import comparison
from vfl_jax.results.pages import experiment
from vfl_jax.results.pages import study
from vfl_jax.results import status

__all__ = ["compare", "write"]

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
    for name, path in result_figures.write(workdir).items()
  }
  html = _rendered(
    config["kind"],
    figures=figures,
    config=config,
    config_text=json.dumps(config, indent=1),
    status=status.status(workdir),
    **_PAGES[config["kind"]](workdir, config),
  )
  path = workdir / "report.html"
  files.write_text(path, html)
  return path


def compare(
  folders: Iterable[str | os.PathLike[str]], path: str | os.PathLike[str]
) -> pathlib.Path:
  """Write one page about many runs, with columns for differing config keys.

  Args:
    folders: folders of runs; a study or an audit stands for all its runs.
    path: path of the page.

  Returns:
    The path of the page.

  Raises:
    ValueError: a folder holds no run, or there is no experiment in them.
  """
  path = pathlib.Path(path)
  shown = comparison.contents(folders, path.resolve().parent)
  title = {"name": f"{len(shown['rows'])} experiments"}
  files.write_text(path, _rendered("compare", config=title, **shown))
  return path


def _rendered(template: str, **shown) -> str:
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader("vfl_jax.results.pages"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  return environment.get_template(f"{template}.html").render(**shown)
