"""What the documents say of the committed results follows from their files."""

import pathlib

import pytest

from tests.helpers import documented

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", documented.TABLES)
def test_tables_in_the_documents_are_those_of_the_files(name):
  path, rows = documented.TABLES[name]
  text = (ROOT / path).read_text("utf-8")
  found = rows()
  assert len(found) > 2
  for row in found:
    assert row in text


def test_every_defence_is_in_the_file_at_every_strength():
  from configs.shared import strengths

  cells, _ = documented.defended()
  page = (ROOT / "docs/results/defenses.md").read_text("utf-8")
  for data, classes in (
    ("digits", 10),
    ("credit_default", 2),
    ("fashion_mnist", 10),
  ):
    own = cells[cells["data"] == data]
    wanted = {
      (c["labels"]["defense"], c["labels"]["strength"])
      for c in strengths.defended({data: classes})
    }
    there = set(zip(own["defense"], own["strength"], strict=True))
    for name, strength in wanted - there:  # those that diverged are named
      assert f"{name} {strength}" in page
