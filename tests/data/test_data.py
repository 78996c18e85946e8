"""Reading, splitting, encoding: nothing of the test split leaks into train."""

import pathlib

import numpy as np
import pandas as pd
import pytest

from vfl_jax.config import schema
from vfl_jax import data
from vfl_jax.data import partition
from vfl_jax.data import raw
from vfl_jax.data import table
from vfl_jax.data import text

KEY = np.array([1, 2], np.uint32)


def section(**overrides):
  config = schema.defaults().data
  with config.ignore_type():
    config.update(overrides)
  return config


def frame(n=120, seed=0):
  generator = np.random.default_rng(seed)
  return pd.DataFrame(
    {
      "id": [f"u{i}" for i in range(n)],
      "age": np.where(np.arange(n) % 7, generator.normal(40, 9, n), np.nan),
      "job": generator.choice(["a", "b", None], n),
      "income": generator.normal(size=n),
      "member": generator.choice([True, False], n),
      "label": np.arange(n) % 2,
    }
  )


def test_digits_splits_are_disjoint_stratified_and_partitioned_losslessly():
  found = data.load(section(), KEY)
  splits = (found.train, found.validation, found.test)
  ids = np.concatenate([s.ids for s in splits])
  np.testing.assert_array_equal(np.sort(ids), np.arange(1797))
  for s in splits:
    shares = np.bincount(s.labels, minlength=10) / len(s.labels)
    assert np.abs(shares - 0.1).max() < 0.02
    assert [x.shape[1:] for x in s.inputs] == [(8, 4, 1), (8, 4, 1)]
  header = data.describe(section())
  assert header.rows == 1797 and header.columns == 8
  from sklearn import datasets

  original = datasets.load_digits().images[found.test.ids]
  joined = np.concatenate(found.test.inputs, axis=2)[..., 0]
  # standardised by one affine map: a perfect correlation with the original
  assert np.corrcoef(joined.ravel(), original.ravel())[0, 1] > 1 - 1e-6
  assert abs(np.concatenate(found.train.inputs, 2).mean()) < 1e-4


def test_the_same_key_gives_the_same_split_and_another_another():
  first, again = (data.load(section(), KEY).test.ids for _ in range(2))
  other = data.load(section(), KEY + 1).test.ids
  np.testing.assert_array_equal(first, again)
  assert set(first) != set(other)


def test_subsets_are_stratified():
  sizes = {"train_size": 200, "validation_size": 50, "test_size": 100}
  found = data.load(section(**sizes), KEY)
  assert len(found.train.labels) == pytest.approx(200, abs=10)
  assert len(found.validation.labels) == pytest.approx(50, abs=10)
  assert len(found.test.labels) == pytest.approx(100, abs=10)
  assert np.bincount(found.train.labels).min() >= 18


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_file(tmp_path, suffix):
  path = tmp_path / f"mine.{suffix}"
  rows = frame()
  getattr(rows, f"to_{suffix}")(path, index=False)
  config = section(name="file", path=str(path), id="id")
  header = data.describe(config)
  assert header == ("mine", "table", 120, 4, 2)
  found = data.load(config, KEY)
  assert found.train.ids.dtype == object and "u" in found.train.ids[0]
  # party 0: age + indicator, job one-hot (a, b, missing)
  assert [x.shape[1] for x in found.train.inputs] == [5, 3]
  assert all(np.isfinite(x).all() for x in found.test.inputs)


def test_one_file_per_party_joined_on_an_id_counts_what_does_not_match(
  tmp_path,
):
  rows = frame()
  rows[["id", "age", "job"]].iloc[:100].to_csv(tmp_path / "a.csv", index=False)
  shuffled = rows[["id", "income", "member", "label"]].sample(
    frac=1, random_state=0
  )
  shuffled.iloc[:110].to_parquet(tmp_path / "b.parquet", index=False)
  kept = len(set(shuffled["id"].iloc[:110]) & set(rows["id"].iloc[:100]))
  config = section(path=f"{tmp_path}/b.parquet,{tmp_path}/a.csv", id="id")
  with pytest.raises(ValueError, match="are the active party's"):
    data.load(config, KEY)
  config.active_features = True  # the label's owner comes last
  found = data.load(config, KEY)
  splits = (found.train, found.validation, found.test)
  assert sum(len(s.labels) for s in splits) == kept
  assert found.notes == (
    f"{110 - kept} of 110 rows of b.parquet have no match",
    f"{100 - kept} of 100 rows of a.csv have no match",
  )
  truth = dict(zip(rows["id"], rows["label"], strict=True))
  assert all(truth[i] == y for i, y in zip(found.test.ids, found.test.labels))
  # the owner of a column is the file it came from
  assert [x.shape[1] for x in found.train.inputs] == [5, 3]


def test_duplicate_ids_and_shared_columns_are_refused(tmp_path):
  rows = frame()
  paths = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
  rows[["id", "age"]].to_csv(paths[0], index=False)
  pd.concat([rows, rows.iloc[:3]])[["id", "income", "label"]].to_csv(
    paths[1], index=False
  )
  with pytest.raises(ValueError, match="3 values of the id column"):
    data.load(section(path=paths, id="id", active_features=True), KEY)
  rows[["id", "age", "label"]].to_csv(paths[1], index=False)
  with pytest.raises(ValueError, match=r"'age'.*more than one file"):
    data.load(section(path=paths, id="id", active_features=True), KEY)


def test_npz_images_rows_and_one_array_per_party(tmp_path):
  generator = np.random.default_rng(0)
  y = np.arange(90) % 3
  images = generator.integers(0, 255, (90, 6, 7, 1), dtype=np.uint8)
  np.savez(tmp_path / "i.npz", image=images, label=y)
  config = section(path=str(tmp_path / "i.npz"))
  assert data.describe(config) == ("i", "image", 90, 7, 3)
  found = data.load(config, KEY)
  assert [x.shape[1:] for x in found.train.inputs] == [(6, 4, 1), (6, 3, 1)]
  np.savez(
    tmp_path / "r.npz",
    bank=generator.normal(size=(90, 4)),
    shop=generator.normal(size=(90, 2)),
    label=y,
  )
  found = data.load(section(path=str(tmp_path / "r.npz")), KEY)
  assert [x.shape[1] for x in found.train.inputs] == [4, 2]


def test_image_arrays_of_unequal_width_stay_with_their_party(tmp_path):
  generator = np.random.default_rng(0)
  arrays = {
    name: generator.integers(0, 255, (90, 6, width, 1), dtype=np.uint8)
    for name, width in (("left", 2), ("right", 6))
  }
  np.savez(tmp_path / "two.npz", **arrays, label=np.arange(90) % 3)
  found = data.load(section(path=str(tmp_path / "two.npz")), KEY)
  assert [x.shape[2] for x in found.train.inputs] == [2, 6]
  with pytest.raises(ValueError, match="npz has not"):
    data.describe(section(path="a.npz,b.npz", id="id"))


def test_large_colour_images_are_standardised_exactly():
  """A float32 sum of 2 * 10^7 pixels of 200 would stop at 2^32."""
  images = np.full((20000, 32, 32, 3), 200, np.uint8)
  images[::2] = 100
  whole = raw.Raw("big", "image", images, np.arange(20000) % 2)
  (split, _, _), _ = partition._images(
    [images, images[:2], images[:2]], whole, section(), None
  )
  assert abs(split[0].mean(dtype=np.float64)) < 1e-3
  assert abs(split[0].std(dtype=np.float64) - 1) < 1e-3


def test_statistics_are_those_of_the_training_rows_only():
  train, test = frame(60), frame(60, seed=1)
  test["age"] *= 1000
  test["job"] = "never seen"
  for encoding in table.ENCODINGS:
    options = dict(max_categories=8, hash_size=32)
    _, alone = table.encode([train.iloc[:, 1:5]], encoding, **options)
    _, both = table.encode(
      [train.iloc[:, 1:5], test.iloc[:, 1:5]], encoding, **options
    )
    for a, b in zip(
      np.atleast_1d(
        alone[0] if encoding != "fields" else next(iter(alone[0].values()))
      ),
      np.atleast_1d(
        both[0] if encoding != "fields" else next(iter(both[0].values()))
      ),
      strict=True,
    ):
      np.testing.assert_array_equal(a, b)


def test_fields_have_ids_of_their_own_per_column_and_one_for_the_unseen():
  train, test = frame(60), frame(60, seed=1)
  test["job"] = "never seen"
  size, (a, b) = table.encode(
    [train[["job", "member", "age"]], test[["job", "member", "age"]]],
    "fields",
    max_categories=8,
    hash_size=1,
  )
  assert size == 4 + 3  # unseen, a, b, missing; unseen, False, True
  assert set(a["category"][:, 0]) == {1, 2, 3}
  assert set(a["category"][:, 1]) == {5, 6}
  assert set(b["category"][:, 0]) == {0}
  assert a["numeric"].shape == (60, 2)  # age and its missing-indicator


def test_tokens_come_from_the_training_split_and_are_padded_with_zero():
  train = ["the cat sat on the mat", "the dog", "a"] * 20
  size, (a, b) = text.tokenize(
    train, [["zzz qqq \u4f60", ""]], vocabulary=300, length=5
  )
  assert a.shape == (60, 5) and size <= 300
  assert (b[1] == 0).all() and a.max() < size
  assert (a[2] > 0).sum() == 1
  alone, (again,) = text.tokenize(train, [], vocabulary=300, length=5)
  assert alone == size
  np.testing.assert_array_equal(a, again)


def test_a_class_without_enough_samples_is_refused():
  rows = raw.Raw("odd", "table", frame(10), np.array([0] * 9 + [1]))
  with pytest.raises(ValueError, match="Is data.label the label column"):
    raw.splits(rows, section(), np.random.default_rng(0))


def test_random_partition_of_a_table_hands_out_every_column():
  found = data.load(
    section(name="breast_cancer", partition="random", parties=3), KEY
  )
  assert [x.shape[1] for x in found.train.inputs] == [10, 10, 10]
  contiguous = data.load(section(name="breast_cancer", parties=3), KEY)
  columns = lambda d: {c.tobytes() for x in d.train.inputs for c in x.T}
  assert columns(found) == columns(contiguous)
  assert not np.array_equal(found.train.inputs[0], contiguous.train.inputs[0])


def test_real_cifar10_fashion_mnist_and_trec(tfds_dir, tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
  cases = {
    "cifar10": (50000, 32, 10, (32, 16, 3)),
    "fashion_mnist": (60000, 28, 10, (28, 14, 1)),
    "trec": (5452, 16, 6, (8,)),
  }
  for name, (rows, columns, classes, shape) in cases.items():
    config = section(
      name=name,
      data_dir=tfds_dir,
      train_size=1000,
      test_size=400,
      length=16,
      vocabulary=1000,
    )
    header = data.describe(config)
    assert header[2:] == (rows, columns, classes)
    if name == "cifar10":
      continue  # decoding 50,000 PNGs takes a while: the slow tier
    found = data.load(config, KEY)
    assert [x.shape[1:] for x in found.train.inputs] == [shape, shape]
    assert len(np.unique(found.train.labels)) == classes
  caches = "fashion_mnist-*-t*-??????????.npz"
  cached = list(tmp_path.rglob(caches))
  again = data.load(
    section(
      name="fashion_mnist", data_dir=tfds_dir, train_size=1000, test_size=400
    ),
    KEY,
  )
  if not cached:  # the prepared folder itself could be written
    cached = list(pathlib.Path(tfds_dir).rglob(caches))
  assert len(cached) == 2
  assert again.num_classes == 10


def test_a_set_that_is_not_there_is_refused_at_once_with_the_command(tmp_path):
  with pytest.raises(FileNotFoundError) as error:
    data.describe(section(name="mnist", data_dir=str(tmp_path)))
  for words in ("'mnist'", ".[tf]", "download_and_prepare", "data_dir"):
    assert words in str(error.value)
  with pytest.raises(FileNotFoundError, match="did you mean 'cifar100'"):
    data.describe(section(name="tfds/cifar1000", data_dir=str(tmp_path)))
  with pytest.raises(ValueError, match="did you mean 'digits'"):
    data.describe(section(name="digit"))
