"""Task reassignment: replaces the labels that samples are trained on.

A task starts from the natural classes of the samples and defines the active
party's labels. Its effect on the alignment of features and labels is measured
in `evaluation.alignment`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from vfl_jax.config import registry
from vfl_jax.data import base
from vfl_jax.runtime import trees

SPLITS = ("train", "validation", "test")

# by split, the natural class of each party's slice of a row, `[parties, n]`
Natural = dict[str, np.ndarray]
Assign = Callable[
  [base.Dataset, np.random.Generator], tuple[base.Dataset, Natural]
]


class Task(NamedTuple):
  """A task: a new label for each sample.

  Attributes:
    num_classes: number of classes of the new labels.
    assign: `assign(dataset, generator) -> (dataset, natural)`, where `dataset`
      is partitioned. The result has the new labels and, for a task that
      combines samples, new samples; each split is treated separately.
    sums: whether a label is the sum of the parties' natural classes modulo
      their number, so that classifiers of the natural classes give a ceiling.
  """

  num_classes: int
  assign: Assign
  sums: bool = False


def identity(num_classes: int) -> Task:
  """Keeps the natural classes."""
  return _relabelled(num_classes, lambda labels: labels)


def permute(num_classes: int, *, order: Sequence[int] = ()) -> Task:
  """Permutes the classes.

  Args:
    num_classes: number of natural classes.
    order: new class of each natural class; empty shifts them by one.

  Raises:
    ValueError: `order` is not a permutation of the classes.
  """
  table = np.array(order or np.roll(np.arange(num_classes), -1))
  if sorted(table) != list(range(num_classes)):
    raise ValueError(
      f"task.order is {list(order)}; it must permute 0..{num_classes - 1}."
    )
  return _relabelled(num_classes, lambda labels: table[labels])


def merge(num_classes: int, *, groups: int = 2) -> Task:
  """Merges classes: the new class is the old one modulo `groups`.

  Args:
    num_classes: number of natural classes.
    groups: number of new classes; 2 gives the parity.

  Raises:
    ValueError: `groups` is not between 2 and the number of classes.
  """
  if not 2 <= groups <= num_classes:
    raise ValueError(f"task.groups is {groups}; take 2 to {num_classes}.")
  return _relabelled(groups, lambda labels: labels % groups)


def split(num_classes: int, *, parts: int = 2) -> Task:
  """Splits each natural class into parts by the last party's features.

  The parts of a class are equal shares of its training rows along the first
  principal component of the last party's features (the active party's own, if
  it has some). The label is class * parts + number of the part. The other
  parties hold only what correlates with that component.

  Args:
    num_classes: number of natural classes.
    parts: number of parts per class.

  Raises:
    ValueError: there are fewer than 2 parts.
  """
  if parts < 2:
    raise ValueError(f"task.parts is {parts}; take at least 2.")

  def assign(dataset, generator):
    from sklearn import decomposition
    from sklearn import preprocessing

    del generator
    height = dataset.vocabulary[-1] if dataset.vocabulary else 0
    rows = {
      name: np.asarray(
        trees.vectors(getattr(dataset, name).inputs[-1], height), np.float64
      ).reshape(len(getattr(dataset, name).labels), -1)
      for name in SPLITS
    }
    scale = preprocessing.StandardScaler().fit(rows["train"])
    component = decomposition.PCA(1, random_state=0).fit(
      scale.transform(rows["train"])
    )
    score = {
      name: component.transform(scale.transform(x))[:, 0]
      for name, x in rows.items()
    }
    labels = np.asarray(dataset.train.labels)
    shares = np.arange(1, parts) / parts
    bounds = np.stack(
      [
        np.quantile(score["train"][labels == c], shares)
        for c in range(num_classes)
      ]
    )

    def of(name, natural):
      index = (score[name][:, None] > bounds[natural]).sum(1)
      return natural * parts + index

    return _labelled(dataset, of)

  return Task(num_classes * parts, assign)


def mix(num_classes: int, *, alpha: float = 0.5) -> Task:
  """Draws new labels for a share 1 - alpha of the samples.

  The labels are drawn uniformly from all classes, separately in each split, so
  at alpha 0 they can only be memorised.

  Args:
    num_classes: number of natural classes.
    alpha: share of the samples that keep their label.

  Raises:
    ValueError: alpha is outside [0, 1].
  """
  if not 0 <= alpha <= 1:
    raise ValueError(f"task.alpha is {alpha}; take 0 to 1.")

  def assign(dataset, generator):
    def of(name, natural):
      del name
      drawn = generator.integers(0, num_classes, len(natural))
      kept = generator.random(len(natural)) < alpha
      return np.where(kept, natural, drawn)

    return _labelled(dataset, of)

  return Task(num_classes, assign)


def cross(num_classes: int, *, copies: int = 1, strength: float = 0.0) -> Task:
  """Combines slices of different samples; the label sums their classes.

  In each row, every party holds its slice of a sample whose class is drawn
  uniformly and independently. The label is the sum of those classes modulo
  their number. In the population, one party's features are independent of the
  label, and the features of all parties together determine it as far as they
  determine their classes.

  With a strength b, the classes of the other parties sum to zero in a share b
  of the rows, so that the label is the class that party 0 holds. The mutual
  information of that class and the label goes from 0 (b = 0) to H(Y) (b = 1).
  With two parties, that of the other party and the label is 0 at every
  strength.

  Args:
    num_classes: number of natural classes, and of the new ones.
    copies: number of combined rows per training row, because sums take more
      rows to learn than classes do. Validation and test have one per row.
    strength: share of the rows in which the label is the class of party 0
      whatever is drawn, 0 to 1.

  Raises:
    ValueError: there are fewer than 1 copies, the strength is outside [0, 1],
      or (raised by `assign`) a split lacks a class, or one party holds all
      features and the strength is not 0.
  """
  if copies < 1:
    raise ValueError(f"task.copies is {copies}; take at least 1.")
  if not 0 <= strength <= 1:
    raise ValueError(f"task.strength is {strength}; take 0 to 1.")

  def assign(dataset, generator):
    if strength and len(dataset.train.inputs) < 2:
      raise ValueError(
        f"task.strength is {strength}, and one party holds all features; take "
        "0, or more parties with features."
      )
    natural, splits = {}, {}
    for name in SPLITS:
      examples = getattr(dataset, name)
      labels = np.asarray(examples.labels)
      members = [np.flatnonzero(labels == c) for c in range(num_classes)]
      if not all(map(len, members)):
        raise ValueError(
          f"task 'cross' combines samples of all {num_classes} classes, and "
          f"the {name} rows lack some; take more rows."
        )
      count = len(labels) * (copies if name == "train" else 1)
      drawn = generator.integers(0, num_classes, (len(examples.inputs), count))
      told = generator.random(count) < strength
      drawn[-1, told] = -drawn[1:-1, told].sum(0) % num_classes
      counts = np.array(list(map(len, members)))[drawn]
      places = (generator.random(drawn.shape) * counts).astype(int)
      held = [
        np.array([members[c][i] for c, i in zip(*row)])
        for row in zip(drawn, places)
      ]
      inputs = tuple(
        jax.tree.map(lambda a, rows=rows: np.asarray(a)[rows], x)
        for x, rows in zip(examples.inputs, held)
      )
      natural[name] = drawn
      splits[name] = examples._replace(
        inputs=inputs,
        labels=_int(drawn.sum(0) % num_classes),
        ids=np.arange(count),
      )
    return dataset._replace(**splits), natural

  return Task(num_classes, assign, sums=True)


TASKS = {
  "identity": identity,
  "permute": permute,
  "merge": merge,
  "split": split,
  "mix": mix,
  "cross": cross,
}


def build(config: Mapping[str, Any], num_classes: int) -> Task:
  """Builds the task that a config names.

  Args:
    config: the section `task`: `name`, and keywords of the task's builder.
    num_classes: number of natural classes.

  Raises:
    ValueError: the name or a keyword is unknown, or the builder refuses a
      value.

  >>> build({"name": "merge"}, 10).num_classes
  2
  """
  options = dict(config)
  name = options.pop("name")
  return registry.build("task", TASKS, name, num_classes, **options)


def reassign(
  dataset: base.Dataset, task: Task, generator: np.random.Generator
) -> tuple[base.Dataset, Natural]:
  """Applies a task to a partitioned data set.

  Args:
    dataset: the partitioned data set.
    task: the task.
    generator: random generator of the task.

  Returns:
    The data set with the task's labels, and the natural classes that they
    were made from.

  Raises:
    ValueError: the task does not fit the data.
  """
  reassigned, natural = task.assign(dataset, generator)
  return reassigned._replace(num_classes=task.num_classes), natural


def _relabelled(num_classes: int, function: Callable) -> Task:
  """A task that maps the classes in the same way in every split."""
  return Task(
    num_classes,
    lambda dataset, generator: _labelled(
      dataset, lambda name, natural: function(natural)
    ),
  )


def _labelled(dataset, of) -> tuple[base.Dataset, Natural]:
  natural, splits = {}, {}
  for name in SPLITS:
    examples = getattr(dataset, name)
    labels = np.asarray(examples.labels)
    natural[name] = np.tile(labels, (len(examples.inputs), 1))
    splits[name] = examples._replace(labels=_int(of(name, labels)))
  return dataset._replace(**splits), natural


def _int(labels):
  return np.asarray(labels).astype(np.int32)
