"""Reads TensorFlow Datasets without TensorFlow, from array_record folders.

Headers are read from the folder's JSON, which is fast and needs no network.
Images are decoded once and cached as one uint8 array beside the data set, or
in the user's cache folder if the data set's folder is read-only.
"""

from collections.abc import Callable, Mapping
import hashlib
import io
import json
import os
import pathlib
import tempfile
from typing import Any

import numpy as np

from vfl_jax.data import base as data_base
from vfl_jax.data import raw

# the command in the error message for a data set that is not prepared
_PREPARE = (
  "python -c \"import tensorflow_datasets as tfds; tfds.builder('{name}',"
  " file_format='array_record'{where}).download_and_prepare()\""
)


def source(
  name: str, *, label: str = "", text: str = "", test: str = "test"
) -> Callable[[Mapping[str, Any]], "Tfds"]:
  """A builder of readers for one data set.

  Args:
    name: name in the TFDS catalogue, e.g. "cifar10" or "glue/sst2".
    label: feature used as label; empty for data.label, or the only ClassLabel.
    text: feature used as text; empty for data.text, or the only Text.
    test: name of the split used for testing.

  Returns:
    `build(config) -> reader`, where config is the section `data`.
  """
  return lambda config: Tfds(name, config, label, text, test)


class Tfds:
  """A data set prepared by TFDS under `data.data_dir`."""

  def __init__(self, name, config, label, text, test):
    self.name, self.test = name, test
    self.label, self.text = label or config["label"], text or config["text"]
    self.root = pathlib.Path(
      config["data_dir"]
      or os.environ.get("TFDS_DATA_DIR")
      or "~/tensorflow_datasets"
    ).expanduser()

  def describe(self) -> data_base.Header:
    """The header, from the folder's JSON.

    Raises:
      FileNotFoundError: the data set is not prepared.
      ValueError: it has another format, or several features could be meant.
    """
    header = self._header()
    kind, feature = self._input(header)
    rows = header["splits"]["train"]
    classes = int(header["features"][self._label(header)]["num_classes"])
    if kind == "image":
      width = header["features"][feature]["shape"][1]
      return data_base.Header(self.name, "image", rows, width, classes)
    return data_base.Header(self.name, "text", rows, 0, classes)

  def read(self) -> raw.Raw:
    """The training and test splits, decoded or from the cache.

    Raises:
      FileNotFoundError, ValueError: see `describe`; also ValueError if images
        vary in size.
    """
    header = self._header()
    kind, feature = self._input(header)
    decoded = [
      self._split(header, split, kind, feature)
      for split in ("train", self.test)
    ]
    inputs, labels = (np.concatenate(p) for p in zip(*decoded, strict=True))
    official = np.repeat(["train", "test"], [len(p[1]) for p in decoded])
    return raw.Raw(self.name, kind, inputs, labels, official)

  def _folder(self) -> pathlib.Path:
    base = self.root.joinpath(*self.name.split("/"))
    versions = [
      p
      for p in (base.iterdir() if base.is_dir() else ())
      if p.name.replace(".", "").isdigit()
      and (p / "dataset_info.json").is_file()
      and (p / "features.json").is_file()
    ]
    if not versions:
      self._refuse()
    return max(versions, key=lambda p: [int(v) for v in p.name.split(".")])

  def _refuse(self):
    """Raises at once with the missing data; TFDS would retry for minutes."""
    import tensorflow_datasets

    base = self.name.split("/")[0]
    builders = tensorflow_datasets.list_builders(with_community_datasets=False)
    hint = ""
    if base not in builders:
      import difflib

      near = difflib.get_close_matches(base, builders, n=1)
      hint = f" (did you mean {near[0]!r}?)" if near else ""
    where = f", data_dir='{self.root}'"
    command = _PREPARE.format(name=self.name, where=where)
    raise FileNotFoundError(
      f"data set {self.name!r}{hint} is not prepared under {self.root}; "
      "prepare it once, on any machine with network and TensorFlow: pip "
      f"install -e '.[tf]' && {command} (or set data.data_dir to a folder "
      "that has it)."
    )

  def _header(self) -> dict[str, Any]:
    folder = self._folder()
    info = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    features = json.loads((folder / "features.json").read_text("utf-8"))
    if info.get("fileFormat") != "array_record":
      raise ValueError(
        f"{folder} is in the format {info.get('fileFormat', 'tfrecord')!r}, "
        "which needs TensorFlow to read; prepare it again: "
        + _PREPARE.format(name=self.name, where=f", data_dir='{self.root}'")
      )
    entries, held = {}, features["featuresDict"]["features"]
    for name, spec in {"": features, **held}.items():
      path = spec["pythonClassName"]
      if not path.startswith("tensorflow_datasets."):
        raise ValueError(
          f"{folder / 'features.json'} names the class {path!r}, whose code "
          "would run; only those of tensorflow_datasets are read."
        )
      if not name:  # the set of all features
        continue
      entry = {"kind": path.rsplit(".", 1)[1]}
      if "image" in spec:
        shape = spec["image"]["shape"].get("dimensions", [])
        entry["shape"] = tuple(int(d) for d in shape)
      if "classLabel" in spec:
        entry["num_classes"] = int(spec["classLabel"]["numClasses"])
      entries[name] = entry
    sizes = {
      s["name"]: sum(map(int, s["shardLengths"])) for s in info["splits"]
    }
    return {"folder": folder, "features": entries, "splits": sizes}

  def _label(self, header) -> str:
    return self._only(header, "ClassLabel", self.label, "label")

  def _input(self, header) -> tuple[str, str]:
    kinds = {f["kind"] for f in header["features"].values()}
    if "Image" in kinds:
      return "image", self._only(header, "Image", "image", "image")
    return "text", self._only(header, "Text", self.text, "text")

  def _only(self, header, kind, name, role) -> str:
    names = [k for k, f in header["features"].items() if f["kind"] == kind]
    if name in names:
      return name
    if len(names) != 1:
      raise ValueError(
        f"TFDS set {self.name!r} has {len(names)} features of kind {kind}"
        f" ({', '.join(names) or 'none'}); name one with data.{role}."
      )
    return names[0]

  def _split(self, header, split, kind, feature):
    folder = header["folder"]
    content = _fingerprint(folder, feature, self._label(header))
    name = self.name.replace("/", "-")
    cache = f"{name}-{folder.name}-{split}-{content}.npz"
    for place in (folder, _user_cache()):
      if (place / cache).is_file():
        with np.load(place / cache) as saved:
          return saved["inputs"], saved["labels"]
    inputs, labels = self._decode(header, split, kind, feature)
    if kind == "image":
      for place in (folder, _user_cache()):
        if _save(place / cache, inputs, labels):
          break
    return inputs, labels

  def _pixels(self, image, shape) -> np.ndarray:
    """A decoded image in 8 bits and as many channels as all others."""
    height, width, channels = shape
    if image.mode.startswith(("I", "F")):
      raise ValueError(
        f"TFDS set {self.name!r} has images of more than 8 bits a channel "
        f"(mode {image.mode}); convert them to 8 bits."
      )
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if channels in modes and image.mode != modes[channels]:
      image = image.convert(modes[channels])
    if image.size != (width, height):
      raise ValueError(
        f"TFDS set {self.name!r} has an image of {image.size} pixels where its "
        f"header says {(width, height)}; only images of one size can be "
        "partitioned by columns."
      )
    return np.asarray(image).reshape(shape)

  def _decode(self, header, split, kind, feature):
    import tensorflow_datasets as library
    from PIL import Image

    folder, label = header["folder"], self._label(header)
    builder = library.builder_from_directory(str(folder))
    if kind == "image":
      decoders = {feature: library.decode.SkipDecoding()}
      rows = builder.as_data_source(split, decoders=decoders)
      shape = header["features"][feature]["shape"]
      if not shape or not all(d > 0 for d in shape):
        raise ValueError(
          f"TFDS set {self.name!r} has images of varying size {shape}; only "
          "images of one size can be partitioned by columns, so take another "
          "data set."
        )
      inputs = np.empty((len(rows), *shape), np.uint8)
    else:
      rows = builder.as_data_source(split)
      inputs = np.empty(len(rows), object)
    labels = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), 1000):
      block = range(start, min(start + 1000, len(rows)))
      for i, row in zip(block, rows.__getitems__(block), strict=True):
        labels[i] = row[label]
        if kind == "image":
          with Image.open(io.BytesIO(row[feature])) as image:
            inputs[i] = self._pixels(image, inputs.shape[1:])
        else:
          inputs[i] = row[feature].decode("utf-8")
    return inputs, labels


def _fingerprint(folder: pathlib.Path, *names: str) -> str:
  """Of the prepared files and of what is read from them: ten hex digits."""
  digest = hashlib.sha256(repr(names).encode())
  for path in sorted(folder.iterdir()):
    if path.suffix == ".json":
      digest.update(path.read_bytes())
    elif path.suffix != ".npz":  # a cache of decoded images
      digest.update(f"{path.name} {path.stat().st_size}".encode())
  return digest.hexdigest()[:10]


def _user_cache() -> pathlib.Path:
  base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
  return pathlib.Path(base).expanduser() / "vfl_jax" / "data"


def _save(path: pathlib.Path, inputs, labels) -> bool:
  """Writes atomically; returns False if the folder cannot be written."""
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
      np.savez(file, inputs=inputs, labels=labels)
    os.replace(file.name, path)
  except OSError:
    return False
  return True
