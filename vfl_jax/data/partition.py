"""The vertical partition: which party holds which features of each sample."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax.config import registry
from vfl_jax.data import base
from vfl_jax.data import raw
from vfl_jax.data import table
from vfl_jax.data import text


def blocks(
  columns: Sequence[Any],
  parties: int,
  rule: Any,
  generator: np.random.Generator | None = None,
) -> tuple[tuple[Any, ...], ...]:
  """Distributes columns over parties; each column goes to one party.

  Args:
    columns: column identifiers, in order.
    parties: number of feature-holding parties.
    rule: "contiguous" (near-equal blocks), "random" (the same sizes, columns
      drawn by `generator`), a list of block sizes ("1,4" as a string), or a
      list of lists of columns ("a,b|c,d,e" as a string).
    generator: random generator, needed for "random".

  Returns:
    The columns of each party.

  Raises:
    ValueError: there are more parties than columns, the sizes do not add up,
      or columns are unknown, repeated or missing.

  >>> blocks("abcde", 2, "contiguous")
  (('a', 'b', 'c'), ('d', 'e'))
  >>> blocks("abcde", 2, (1, 4))
  (('a',), ('b', 'c', 'd', 'e'))
  """
  columns = list(columns)
  if not 1 <= parties <= len(columns):
    raise ValueError(
      f"data.parties is {parties}, but there are {len(columns)} columns to "
      f"distribute; take 1 to {len(columns)}."
    )
  rule = parsed(rule)
  if isinstance(rule, str):
    order = np.arange(len(columns))
    if rule == "random":
      assert generator is not None
      order = generator.permutation(order)
    return tuple(
      tuple(columns[i] for i in sorted(share))
      for share in np.array_split(order, parties)
    )
  rule = tuple(rule)
  if len(rule) != parties:
    raise ValueError(
      f"data.partition names {len(rule)} blocks for data.parties={parties}; "
      "name one block per party."
    )
  if all(isinstance(size, (int, np.integer)) for size in rule):
    if min(rule) < 1 or sum(rule) != len(columns):
      raise ValueError(
        f"data.partition {rule} adds up to {sum(rule)}; the {len(columns)} "
        "columns must be distributed exactly once, at least one to each party."
      )
    ends = np.cumsum(rule)
    return tuple(
      tuple(columns[end - size : end])
      for size, end in zip(rule, ends, strict=True)
    )
  named = [c for block in rule for c in block]
  if sorted(map(str, named)) != sorted(map(str, columns)):
    odd = set(map(str, named)) ^ set(map(str, columns))
    twice = {c for c in named if named.count(c) > 1}
    raise ValueError(
      "data.partition must name every column exactly once; unknown, missing "
      f"or repeated are {sorted(odd | set(map(str, twice)))[:5]}."
    )
  by_name = {str(c): c for c in columns}  # names of digits come as integers
  return tuple(tuple(by_name[str(c)] for c in block) for block in rule)


def parsed(rule: Any) -> Any:
  """Parses a partition rule.

  Args:
    rule: a string, as on the command line, or tuples; see `blocks`.

  Returns:
    "contiguous", "random", sizes, or columns by party.

  Raises:
    ValueError: the rule is none of these.
  """
  if not isinstance(rule, str):
    sizes = registry.fits(rule, tuple[int, ...])
    blocks = tuple[tuple[int | str, ...], ...]
    if not rule or not (sizes or registry.fits(rule, blocks)):
      raise ValueError(
        f"data.partition is {rule!r}; take 'contiguous', 'random', sizes like "
        "(1, 4), or columns by party like (('a', 'b'), ('c',))."
      )
    return rule
  if rule in ("contiguous", "random"):
    return rule
  if "|" in rule:
    blocks = [block.split(",") for block in rule.split("|")]
    if all(name.isdigit() for block in blocks for name in block):
      return tuple(tuple(int(name) for name in block) for block in blocks)
    return tuple(tuple(block) for block in blocks)
  try:
    return tuple(int(size) for size in rule.split(","))
  except ValueError:
    raise ValueError(
      f"data.partition is {rule!r}; take 'contiguous', 'random', sizes"
      " (1,4), or names (a,b|c,d,e)."
    ) from None


def apply(
  loaded: tuple[raw.Raw, base.Dataset],
  config: Mapping[str, Any],
  generator: np.random.Generator,
) -> base.Dataset:
  """Encodes the features and distributes them over the parties.

  Args:
    loaded: a data set as read and its splits, from `raw.splits`.
    config: the `data` section of an experiment's config.
    generator: random generator, for a random partition.

  Returns:
    The data set, its inputs tuples with one tree per party.

  Raises:
    ValueError: the features cannot be partitioned as the config asks.
  """
  whole, dataset = loaded
  hand_out = MODALITIES[whole.modality].hand_out
  splits = (dataset.train, dataset.validation, dataset.test)
  inputs, vocabulary = hand_out(
    [s.inputs for s in splits], whole, config, generator
  )
  train, validation, test = (
    s._replace(inputs=x) for s, x in zip(splits, inputs, strict=True)
  )
  return dataset._replace(
    train=train, validation=validation, test=test, vocabulary=vocabulary
  )


def _images(splits, whole, config, generator):
  width = splits[0].shape[2]
  rule = config["partition"]
  if rule == "random":
    raise ValueError(
      "data.partition is 'random', but images are partitioned into blocks of "
      "columns; take data.partition='contiguous' or sizes."
    )
  if whole.owners and rule == "contiguous":
    rule = tuple(int(size) for size in whole.owners)
  held = blocks(range(width), config["parties"], rule, generator)
  mean, deviation = _statistics(splits[0])

  def standardised(images, columns):
    pixels = np.take(images, columns, axis=2)
    # cast first and as whole rows: numpy is ten times slower otherwise
    scaled = pixels.reshape(len(pixels), -1).astype(np.float32)
    repeats = scaled.shape[1] // len(mean)
    scaled -= np.tile(mean, repeats)
    scaled /= np.tile(deviation, repeats)
    return scaled.reshape(pixels.shape)

  inputs = [tuple(standardised(images, b) for b in held) for images in splits]
  return inputs, (0,) * len(held)


def _statistics(images):
  """Mean and standard deviation per channel, `[channels]`; exact for uint8."""
  channels = images.shape[-1]
  if images.dtype != np.uint8:
    # in float64: a float32 sum of 10^7 pixels stops growing before its end
    pixels = images.reshape(-1, channels).astype(np.float64)
    mean, deviation = pixels.mean(0), pixels.std(0)
  else:
    rows = images.reshape(len(images), -1)
    total, squares = np.zeros((2, rows.shape[1]))
    for start in range(0, len(rows), 256):
      block = rows[start : start + 256].astype(np.float32)
      total += block.sum(0)
      squares += np.square(block).sum(0)  # 256 * 255^2 < 2^24: exact
    count = images.size / channels
    mean = total.reshape(-1, channels).sum(0) / count
    second = squares.reshape(-1, channels).sum(0) / count
    deviation = np.sqrt(second - mean**2)
  return mean.astype(np.float32), deviation.astype(np.float32) + 1e-6


def _table(splits, whole, config, generator):
  columns, rule = list(splits[0].columns), config["partition"]
  if whole.owners and rule == "contiguous":  # each file is a party's
    if len(whole.owners) != config["parties"]:
      raise ValueError(
        f"data.parties is {config['parties']}, but the files hold the "
        f"features of {len(whole.owners)} parties; set "
        f"data.parties={len(whole.owners)}."
      )
    rule = whole.owners
  held = blocks(columns, config["parties"], rule, generator)
  vocabulary, encoded = [], []
  for names in held:
    size, arrays = table.encode(
      [s[list(names)] for s in splits],
      config["encoding"],
      max_categories=config["max_categories"],
      hash_size=config["hash_size"] // len(held),
    )
    vocabulary.append(size)
    encoded.append(arrays)
  return list(zip(*encoded, strict=True)), tuple(vocabulary)


def _text(splits, whole, config, generator):
  del whole
  rule = config["partition"]
  if rule == "random":
    raise ValueError(
      "data.partition is 'random', but texts are partitioned into segments; "
      "take data.partition='contiguous' or sizes."
    )
  length = config["length"]
  held = blocks(range(length), config["parties"], rule, generator)
  size, arrays = text.tokenize(
    splits[0], splits[1:], vocabulary=config["vocabulary"], length=length
  )
  inputs = [tuple(a[:, list(b)] for b in held) for a in arrays]
  return inputs, (size,) * len(held)


class Modality(NamedTuple):
  """How data of one modality are distributed over parties.

  Attributes:
    hand_out: `hand_out(splits, whole, config, generator) -> (inputs of each
      split, each a tuple over parties, and the vocabulary of each party)`.
    reads: the kind of input that a model must read, see `models.stages.Model`.
  """

  hand_out: Callable[..., tuple[list[tuple], tuple[int, ...]]]
  reads: str


MODALITIES = {
  "image": Modality(_images, "image"),
  "table": Modality(_table, "rows"),
  "text": Modality(_text, "tokens"),
}
