"""The documents as a site: strictly built, nothing missing, no dead link."""

import html.parser
import pathlib
import re
import subprocess
import sys
import urllib.parse

import pytest

from vfl_jax import attacks
from vfl_jax.data import tasks
from vfl_jax import defenses
from vfl_jax import information

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Page(html.parser.HTMLParser):
  """Links, pictures and anchors of a page."""

  def __init__(self, path):
    super().__init__()
    self.links, self.anchors = [], set()
    self.feed(path.read_text("utf-8"))

  def handle_starttag(self, tag, attributes):
    of = dict(attributes)
    self.anchors |= {of[k] for k in ("id", "name") if of.get(k)}
    for key in ("href", "src"):
      if of.get(key):
        self.links.append(of[key])


@pytest.mark.parametrize(
  "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_links_of_the_repository_lead_somewhere(name):
  for link in LINK.findall((ROOT / name).read_text("utf-8")):
    if not link.startswith(("http", "#")):
      assert (ROOT / link.partition("#")[0]).exists(), link


def test_every_attack_has_a_page():
  text = (ROOT / "docs/attacks/README.md").read_text("utf-8")
  for name in attacks.ATTACKS:
    assert f"({name}.md)" in text
    assert f"`{name}" in (ROOT / f"docs/attacks/{name}.md").read_text("utf-8")


@pytest.mark.slow
def test_the_site_is_built_strictly_and_whole(tmp_path):
  pytest.importorskip("mkdocs", reason="pip install -e '.[docs]'")
  pytest.importorskip("mkdocstrings")
  subprocess.run(
    [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", tmp_path],
    cwd=ROOT,
    check=True,
  )
  for folder, names in (
    ("attacks", attacks.ATTACKS),
    ("defenses", defenses.DEFENSES),
    ("estimators", information.ESTIMATORS),
    ("tasks", tasks.TASKS),
  ):
    for name in names:
      assert (tmp_path / folder / name / "index.html").is_file(), name
      assert (tmp_path / folder / f"{name}.png").stat().st_size > 5000, name
  pages = {p: Page(p) for p in tmp_path.rglob("index.html")}
  assert len(pages) > 70
  for path, page in pages.items():
    for link in page.links:
      parts = urllib.parse.urlparse(link)
      if parts.scheme or parts.netloc:
        continue
      target = path
      if parts.path:
        where = urllib.parse.unquote(parts.path)
        target = (path.parent / where).resolve()
        if target.is_dir():
          target /= "index.html"
        assert target.is_file(), f"{path.relative_to(tmp_path)}: {link}"
      if parts.fragment and target in pages:
        found = pages[target].anchors
        assert urllib.parse.unquote(parts.fragment) in found, (path, link)
