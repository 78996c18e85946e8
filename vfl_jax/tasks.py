"""Task reassignment: from a sample's natural class to the label trained on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfl_jax import registry
from vfl_jax import types


class Task(NamedTuple):
  """A new label per sample.

  Attributes:
    num_classes: of the new labels.
    relabel: `relabel(labels [n]) -> labels [n]`, the same map for every split.
  """

  num_classes: int
  relabel: Callable[[np.ndarray], np.ndarray]


def identity(num_classes: int) -> Task:
  """The natural classes as they are."""
  return Task(num_classes, lambda labels: labels)


def permute(num_classes: int, *, order: Sequence[int] = ()) -> Task:
  """A bijection of the classes; the default shifts them by one.

  Raises:
    ValueError: `order` is not a permutation of the classes.
  """
  table = np.array(order or np.roll(np.arange(num_classes), -1))
  if sorted(table) != list(range(num_classes)):
    raise ValueError(
      f"task.order is {list(order)}; it must permute 0..{num_classes - 1}."
    )
  return Task(num_classes, lambda labels: table[labels].astype(np.int32))


def merge(num_classes: int, *, groups: int = 2) -> Task:
  """Many to one: the class modulo `groups` (2 is parity).

  Raises:
    ValueError: `groups` is not between 2 and the number of classes.
  """
  if not 2 <= groups <= num_classes:
    raise ValueError(f"task.groups is {groups}; take 2 to {num_classes}.")
  return Task(groups, lambda labels: (labels % groups).astype(np.int32))


TASKS = {"identity": identity, "permute": permute, "merge": merge}


def build(config: Mapping[str, Any], num_classes: int) -> Task:
  """The task a config names, with its own keywords.

  Raises:
    ValueError: unknown name or keyword, or a value the builder refuses.

  >>> build({"name": "merge"}, 10).relabel(np.array([3, 4]))
  array([1, 0], dtype=int32)
  """
  options = dict(config)
  name = options.pop("name")
  return registry.build("task", TASKS, name, num_classes, **options)


def reassign(dataset: types.Dataset, task: Task) -> types.Dataset:
  """The data set with every split relabelled."""
  splits = {
    name: split._replace(labels=task.relabel(split.labels))
    for name in ("train", "validation", "test")
    for split in (getattr(dataset, name),)
  }
  return dataset._replace(num_classes=task.num_classes, **splits)
