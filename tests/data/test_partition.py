"""A vertical partition is lossless and exhaustive."""

import hypothesis
from hypothesis import strategies
import numpy as np
import pytest

from vfl_jax.data import partition


@hypothesis.given(strategies.data())
def test_blocks_hand_out_every_column_exactly_once(data):
  count = data.draw(strategies.integers(1, 40))
  parties = data.draw(strategies.integers(1, count))
  columns = [f"c{i}" for i in range(count)]
  ends = (
    sorted(
      data.draw(
        strategies.sets(
          strategies.integers(1, count - 1),
          min_size=parties - 1,
          max_size=parties - 1,
        )
      )
    )
    if parties > 1
    else []
  )
  sizes = tuple(np.diff([0, *ends, count]).tolist())
  order = data.draw(strategies.permutations(columns))
  named = tuple(
    tuple(order[a:b]) for a, b in zip([0, *ends], [*ends, count], strict=True)
  )
  written = ("|".join(map(",".join, named)), ",".join(map(str, sizes)))
  for rule in ("contiguous", "random", sizes, named, *written):
    if (rule == written[1] and parties == 1) or (
      rule == written[0] and (parties == 1)
    ):
      continue  # one block needs no rule
    held = partition.blocks(columns, parties, rule, np.random.default_rng(0))
    assert len(held) == parties
    assert all(held)
    assert sorted(c for block in held for c in block) == sorted(columns)
    if rule == "contiguous":
      assert [c for block in held for c in block] == columns
      assert max(map(len, held)) - min(map(len, held)) <= 1


@pytest.mark.parametrize(
  "parties, rule, words",
  [
    (5, "contiguous", "5, but there are 4 columns"),
    (0, "contiguous", "take 1 to 4"),
    (2, "diagonal", "'diagonal'"),
    (2, (1, 1), "adds up to 2"),
    (3, (2, 2), "names 2 blocks for data.parties=3"),
    (2, (("a",), ("b", "c")), r"exactly once; .* repeated are \['d'\]"),
    (2, (("a", "b"), ("b", "c", "d")), "exactly once"),
  ],
)
def test_impossible_partitions_are_refused(parties, rule, words):
  with pytest.raises(ValueError, match=words):
    partition.blocks("abcd", parties, rule)
