"""Files as people write them: read right, or refused in a sentence."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

import vfl_jax
from vfl_jax import data
from vfl_jax.data import columns
from vfl_jax.data import reading
from vfl_jax.data import tfds

ROWS = 60
KEY = np.array([0, 1], np.uint32)


def table(**more):
  """Three columns and a label of two classes."""
  generator = np.random.default_rng(0)
  frame = pd.DataFrame(generator.standard_normal((ROWS, 3)), columns=[*"abc"])
  return frame.round(3).assign(label=np.arange(ROWS) % 2, **more)


def options(path, **changes):
  config = vfl_jax.defaults().data.copy_and_resolve_references()
  with config.ignore_type():
    config.path = str(path)
    config.update(changes)
  return config


def loaded(path, **changes):
  """The data set, and its notes in one text."""
  config = options(path, **changes)
  data.describe(config)
  dataset = data.load(config, KEY)
  return dataset, "; ".join(dataset.notes)


def text(frame, **form):
  return frame.to_csv(index=False, **form)


# what is written, under which name, and what a note says of it
WRITTEN = {
  "semicolons": (lambda f: text(f, sep=";").encode(), "x.csv", ""),
  "tabs": (lambda f: text(f, sep="\t").encode(), "x.tsv", ""),
  "capitals": (lambda f: text(f).encode(), "x.CSV", ""),
  "packed": (lambda f: gzip.compress(text(f).encode()), "x.csv.gz", ""),
  "byte order mark": (lambda f: text(f).encode("utf-8-sig"), "x.csv", ""),
  "utf-16": (lambda f: text(f).encode("utf-16"), "x.csv", ""),
  "blanks": (
    lambda f: text(f).replace(",", " , ").encode(),
    "x.csv",
    "",
  ),
  "trailing commas": (
    lambda f: text(f).replace("\n", ",\n").replace("label,", "label").encode(),
    "x.csv",
    "end in an empty field",
  ),
  "trailing commas, header too": (
    lambda f: text(f).replace("\n", ",\n").encode(),
    "x.csv",
    "",
  ),
  "row numbers": (
    lambda f: f.to_csv().encode(),
    "x.csv",
    "numbers its rows",
  ),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_every_way_of_writing_gives_the_same_table(tmp_path, how):
  write, name, note = WRITTEN[how]
  (tmp_path / name).write_bytes(write(table()))
  found, notes = reading.table(tmp_path / name)
  pd.testing.assert_frame_equal(found, table(), check_dtype=False)
  assert note in "; ".join(notes) and bool(note) == bool(notes)


def test_latin_1_is_read_and_said(tmp_path):
  path = tmp_path / "x.csv"
  path.write_bytes(text(table(city="N\u00eemes")).encode("latin-1"))
  found, notes = reading.table(path)
  assert set(found["city"]) == {"N\u00eemes"}
  assert "latin-1" in notes[0]


@pytest.mark.parametrize(
  "written, right, note",
  [
    (["1", "?", "3"], [1, np.nan, 3], "'?' were read as missing"),
    (["12,345", "1", "-2,000.5"], [12345, 1, -2000.5], "thousands"),
    ([" 1 ", "2e3", "N/A"], [1, 2000, np.nan], "missing"),
    (["2020-01-02", "1969-12-31", None], [18263, -1, np.nan], "days since"),
    (["", None, " "], [np.nan] * 3, ""),
  ],
)
def test_what_people_write_as_numbers(written, right, note):
  notes = []
  found = columns.typed(pd.Series(written, name="a"), "column 'a'", notes)
  np.testing.assert_array_equal(found.to_numpy(float), right)
  assert note in "; ".join(notes) and bool(note) == bool(notes)


def test_text_stays_text_and_what_is_odd_about_it_is_said():
  def note(values):
    notes = []
    column = pd.Series(values, name="a")
    assert columns.typed(column, "column 'a'", notes) is column
    return "; ".join(notes)

  assert not note(["red", "blue"] * 30)
  assert "are no numbers, e.g. 'x'" in note(["1"] * 59 + ["x"])
  assert "60 of 60 values differ" in note([f"name {i}" for i in range(60)])


REFUSED = {
  "an infinite number": (table(d=np.inf), "'d' .* infinite"),
  "a huge number": (table(d=1e300), "'d' .* 1e\\+300"),
  "a repeated header": (
    pd.concat([table().astype(str), pd.DataFrame([[*"abc", "label"]] * 2,
                                                columns=[*"abc", "label"])]),
    "2 rows repeat the header",
  ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_trained_on_is_named(tmp_path, what):
  frame, words = REFUSED[what]
  frame.to_csv(tmp_path / "x.csv", index=False)
  with pytest.raises(ValueError, match=words):
    loaded(tmp_path / "x.csv")


@pytest.mark.parametrize(
  "content, words",
  [
    ("a,b,label\n1,2,0,5\n", "row 2 has 4 fields and the header 3"),
    ("a,a,label\n1,2,0\n", "'a'.* occur twice"),
    ("", "no header"),
  ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, words):
  (tmp_path / "x.csv").write_text(content)
  with pytest.raises(ValueError, match=words):
    reading.table(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz", "x.npz"])
def test_a_damaged_file_is_named(tmp_path, name):
  (tmp_path / name).write_bytes(b"PK\x03\x04 this is none")
  with pytest.raises(ValueError, match=f"{name}.* cannot be read"):
    data.load(options(tmp_path / name), KEY)


def test_lists_are_refused_unless_they_are_dropped(tmp_path):
  path = tmp_path / "x.parquet"
  table(d=[[1.0, 2.0]] * ROWS).to_parquet(path)
  with pytest.raises(ValueError, match="'d' .* holds lists"):
    loaded(path)
  found, notes = loaded(path, drop=("d",))
  assert sum(x.shape[1] for x in found.train.inputs) == 3
  assert "column d was dropped" in notes


@pytest.mark.parametrize(
  "changes, words",
  [
    ({"drop": ("d",)}, "data.drop 'd'"),
    ({"drop": ("label",)}, "which is the label"),
    ({"split": "fold"}, "data.split 'fold'"),
    ({"id": "customer"}, "data.id 'customer'"),
  ],
)
def test_a_name_of_no_column_is_refused(tmp_path, changes, words):
  table().to_csv(tmp_path / "x.csv", index=False)
  with pytest.raises(ValueError, match=words):
    loaded(tmp_path / "x.csv", **changes)


def test_ids_are_text_however_they_are_written(tmp_path):
  ids = np.arange(ROWS) + 10**6
  label = pd.DataFrame({"id": ids.astype(float), "label": table()["label"]})
  label.loc[3, "id"] = np.nan
  label.to_parquet(tmp_path / "owner.parquet")
  table(id=ids).drop(columns="label").set_index("id").to_parquet(
    tmp_path / "bank.parquet"
  )
  paths = f"{tmp_path / 'bank.parquet'},{tmp_path / 'owner.parquet'}"
  found, notes = loaded(paths, id="id", parties=1)
  assert "1 rows of owner.parquet without an id were dropped" in notes
  assert "1 of 60 rows of bank.parquet have no match" in notes
  assert set(found.train.ids) <= set(map(str, ids))


def test_only_one_file_holds_the_label(tmp_path):
  for name in ("bank", "owner"):
    table(id=range(ROWS)).to_csv(tmp_path / f"{name}.csv", index=False)
  paths = f"{tmp_path / 'bank.csv'},{tmp_path / 'owner.csv'}"
  with pytest.raises(ValueError, match="is in bank.csv, owner.csv"):
    loaded(paths, id="id", active_features=True)


def test_columns_named_by_digits_can_be_given_to_parties(tmp_path):
  table().rename(columns={"a": "0", "b": "1", "c": "2"}).to_csv(
    tmp_path / "x.csv", index=False
  )
  found, _ = loaded(tmp_path / "x.csv", partition="2|0,1")
  assert [x.shape[1] for x in found.train.inputs] == [1, 2]


def test_what_is_odd_about_labels_and_splits_is_said(tmp_path):
  frame = table(split=np.where(np.arange(ROWS) < 40, "train", "test"))
  frame["label"] = np.where(frame["label"], "yes", "no")
  frame.loc[:4, "label"] = "yes "
  frame.loc[40:42, [*"abc"]] = frame.loc[:2, [*"abc"]].to_numpy()
  frame.to_parquet(tmp_path / "x.parquet")
  _, notes = loaded(tmp_path / "x.parquet")
  assert "'yes' and 'yes ' hardly differ" in notes
  assert "no test row is of the classes ['yes ']" in notes
  # of the three, those whose twin is not held out for validation
  assert "of 20 test rows have the features of a training row" in notes


# --- prepared images ----------------------------------------------------------


def test_a_cache_of_decoded_images_knows_what_it_is_of(tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  folder = tmp_path / "toy" / "1.0.0"
  folder.mkdir(parents=True)
  (folder / "toy-train.array_record-00000-of-00001").write_bytes(b"rows")
  known = "tensorflow_datasets.core.features."

  def write(**features):
    spec = {
      "pythonClassName": known + "features_dict.FeaturesDict",
      "featuresDict": {"features": features},
    }
    (folder / "features.json").write_text(json.dumps(spec))

  label = {
    "pythonClassName": known + "class_label_feature.ClassLabel",
    "classLabel": {"numClasses": "2"},
  }
  image = {
    "pythonClassName": known + "image_feature.Image",
    "image": {"shape": {"dimensions": ["2", "2", "1"]}},
  }
  splits = [{"name": s, "shardLengths": ["3"]} for s in ("train", "test")]
  (folder / "dataset_info.json").write_text(
    json.dumps({"fileFormat": "array_record", "splits": splits})
  )
  decoded = []

  def decode(self, header, split, kind, feature):
    decoded.append((self._label(header), split))
    return np.zeros((3, 2, 2, 1), np.uint8), np.arange(3) % 2

  monkeypatch.setattr(tfds.Tfds, "_decode", decode)

  def read(name):
    config = options("", name="tfds/toy", data_dir=str(tmp_path), label=name)
    data._source(config).read()
    return len(decoded)

  write(image=image, fine=label, coarse=label)
  assert read("fine") == 2 == read("fine")
  assert read("coarse") == 4 == read("coarse") == read("fine")
  shard = folder / "toy-train.array_record-00000-of-00001"
  shard.write_bytes(b"other rows")
  assert read("fine") == 6
  write(image=image, fine={**label, "pythonClassName": "os.abort"})
  with pytest.raises(ValueError, match="'os.abort', whose code would run"):
    read("fine")


# --- arrays -------------------------------------------------------------------

ROWS_OF = {"x": np.ones((ROWS, 4)), "label": np.arange(ROWS) % 3}
IMAGES = np.ones((ROWS, 8, 6, 1))


@pytest.mark.parametrize(
  "changes, words",
  [
    ({"label": np.eye(3)[np.arange(ROWS) % 3]}, r"argmax\(axis=1\)"),
    ({"x": np.full((ROWS, 4), np.inf)}, "'x' holds 240 values"),
    ({"x": IMAGES * np.nan}, "'x' holds 2880 values"),
    ({"x": IMAGES, "z": IMAGES[:, :4]}, "only the width may differ"),
    ({"x": np.ones((ROWS - 1, 4))}, r"'x' is \(59, 4\)"),
    ({"split": np.full(ROWS, "valid")}, "holds only 'train' and 'test'"),
    ({"split": np.full(ROWS, "test")}, "rows to train on are 'train'"),
    ({"x": np.array([{}] * ROWS)}, "cannot be read"),
  ],
)
def test_an_array_that_cannot_be_used_is_named(tmp_path, changes, words):
  np.savez(tmp_path / "x.npz", **{**ROWS_OF, **changes})
  with pytest.raises(ValueError, match=words):
    loaded(tmp_path / "x.npz")


def test_labels_in_a_column_and_labels_that_are_missing(tmp_path):
  labels = (np.arange(ROWS) % 2).astype(float)
  labels[:6] = np.nan
  np.savez(tmp_path / "x.npz", x=np.ones((ROWS, 4)), label=labels[:, None])
  found, notes = loaded(tmp_path / "x.npz")
  assert found.num_classes == 2
  assert "6 rows without a label were dropped" in notes
