"""Many runs on one page."""

import pathlib
import subprocess
import sys

import pytest

from tests.helpers import tiny
from vfl_jax.experiments import experiment
from vfl_jax.results import pages
from vfl_jax.results.pages import comparison

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_what_differs_stands_in_columns():
  one = {"name": "a", "train": {"epochs": 3, "rate": 0.1}, "attacks": ["norm"]}
  two = {"name": "b", "train": {"epochs": 4, "rate": 0.1}, "attacks": []}
  assert comparison.differing([one, two]) == ["train.epochs", "attacks"]
  assert comparison.differing([one, one]) == []


@pytest.mark.slow
def test_two_runs_on_one_page(tmp_path):
  for number, epochs in enumerate((1, 2)):
    config = tiny.tiny(
      train__epochs=epochs,
      record__epochs=(),
      information__epochs=(),
      information__estimators=(),
    )
    config.compensation = ()
    config.attacks = ("passive_completion",)
    experiment.run(config, tmp_path / f"run{number}")
  folders = [tmp_path / "run0", tmp_path / "run1"]
  (tmp_path / "pages").mkdir()
  path = pages.compare(folders, tmp_path / "pages" / "both.html")
  html = path.read_text("utf-8")
  assert "2 experiments" in html
  assert "<th>train.epochs</th>" in html and "<th>train.batch_size" not in html
  assert 'href="../run0/report.html"' in html
  assert html.count("passive completion, party") == 2
  assert html.count("<td>done</td>") == 2


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(ValueError, match="holds no run"):
    pages.compare([tmp_path], tmp_path / "page.html")
  ended = subprocess.run(
    [sys.executable, "-m", "vfl_jax.results", str(tmp_path)],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert ended.returncode == 2
  assert ended.stderr.startswith("error: ") and "Trace" not in ended.stderr
