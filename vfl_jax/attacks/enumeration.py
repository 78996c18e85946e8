"""Which class is which cluster: the map under which the first loss fits."""

import itertools
from typing import Literal

import jax
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import clustering
from vfl_jax.attacks import views
from vfl_jax.runtime import trees

_EVERY = 7  # classes up to which all maps are tried: 5,040 of them
_MOST = 9  # 362,880 of them, for each trial


def enumeration(
  *, on: Literal["features", "embeddings"] = "features", largest: int = _EVERY
) -> base.Attack:
  """Clusters of its own rows, named by the gradients of the first round.

  Every map of clusters to classes says what gradient each row should have
  got; the map whose gradients have the highest cosine with those that came
  down is kept. No auxiliary sample is used: after the last stage, where
  logits are summed, a party's own logits have the names of the classes. Under
  a trained top they have none, and under another order of the classes the
  same gradients would have come down.

  Args:
    on: what is clustered.
    largest: number of classes up to which every map is tried; beyond, n^3
      questions with two answers: see `duels`.

  Raises:
    ValueError: `largest` outside 0 to 9.

  Source: LEA, arXiv:2603.03777, 2026. Of its binary version we had what the
  abstract says: n^3 trials instead of n!; which trials is our reading.
  """
  if not 0 <= largest <= _MOST:
    raise ValueError(
      f"attack 'enumeration': largest is {largest}; take 0 to {_MOST}, which "
      "is 362,880 maps a trial."
    )

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    classes = view.public.num_classes
    if on == "embeddings":
      train, test = (np.asarray(h) for h in views.embeddings(view))
    else:
      train, test = (
        np.asarray(trees.vectors(x, view.public.vocabulary))
        for x in (view.shared.train, view.shared.test)
      )
    mean, scale = train.mean(0), train.std(0)
    scale = scale + 0.05 * np.sqrt((scale**2).mean()) + 1e-12
    distances, of_test = clustering.clusters(
      key, classes, *((x - mean) / scale for x in (train, test))
    )
    g, h = _first_round(view)
    covered = np.isfinite(g).all(1)
    if not covered.any():
      nothing = np.full((len(train), classes), np.nan)
      return base.Inference(
        nothing,
        nothing[:1].repeat(len(test), 0),
        details={"cosine": np.asarray(np.nan)},
      )
    row_clusters = distances.argmin(1)[
      np.asarray(view.shared.recorded_rows)[covered]
    ]
    order, cosine = named(row_clusters, h[covered], g[covered], largest)
    return base.Inference(
      -distances[:, order], -of_test[:, order], details={"cosine": cosine}
    )

  return base.Attack(
    frozenset({"gradients", "logits", "first epoch"}),
    infer,
    f"all maps of up to {largest} clusters to classes, n^3 duels beyond",
    compiled=False,
  )


def named(
  row_clusters: np.ndarray,
  logits: np.ndarray,
  g: np.ndarray,
  largest: int = _EVERY,
) -> tuple[np.ndarray, np.ndarray]:
  """For every class its cluster, and the cosine that the map reaches.

  Args:
    found: cluster of each row.
    logits: its own, `[rows, classes]`.
    g: gradients that came down, `[rows, classes]`.
    largest: see `enumeration`.
  """
  classes = g.shape[1]
  exponent = np.exp(logits - logits.max(1, keepdims=True))
  p = exponent / exponent.sum(1, keepdims=True)
  # of rows in a cluster, were they of a class: sums over the rows of the
  # product with what came down, and of the squared length
  product = (p * g).sum(1, keepdims=True) - g
  square = (p**2).sum(1, keepdims=True) - 2 * p + 1
  products, squares = np.zeros((2, classes, classes))  # [cluster, class]
  np.add.at(products, row_clusters, product)
  np.add.at(squares, row_clusters, square)
  length = np.linalg.norm(g) + 1e-30
  clusters = np.arange(classes)

  def cosine(names):  # of each cluster its class
    top = products[clusters, names].sum()
    return top / (length * np.sqrt(squares[clusters, names].sum()) + 1e-30)

  if classes <= largest:
    names = max(map(list, itertools.permutations(range(classes))), key=cosine)
  else:
    names = duels(row_clusters, p, g)
  return np.argsort(names), np.asarray(cosine(names))


def duels(row_clusters: np.ndarray, p: np.ndarray, g: np.ndarray) -> np.ndarray:
  """For every cluster its class, by n^3 questions with two answers.

  Of two clusters, which one is the class? The gradients of that class's logit
  that should have come down to their rows, if it is the first or the second,
  are compared by cosine with those that did. A cluster's score for a class is
  what it wins by, summed over the others, and the best assignment is taken.

  Args:
    found: cluster of each row.
    p: predicted probabilities, `[rows, classes]`.
    g: gradients that came down, `[rows, classes]`.
  """
  from scipy import optimize

  classes = g.shape[1]

  def of_clusters(values):
    sums = np.zeros((classes, classes))  # [cluster, class]
    np.add.at(sums, row_clusters, values)
    return sums

  yes, no = of_clusters((p - 1) * g), of_clusters(p * g)
  if_yes, if_no = of_clusters((p - 1) ** 2), of_clusters(p**2)
  came = of_clusters(g**2)
  # [cluster that is the class, cluster that is not, class]
  square = (if_yes[:, None] + if_no) * (came[:, None] + came)
  cosines = (yes[:, None] + no) / np.sqrt(square + 1e-30)
  margins = (cosines - cosines.swapaxes(0, 1)).sum(1)
  return optimize.linear_sum_assignment(margins, maximize=True)[1]


def _first_round(view):
  """Gradients by logits and own logits in the first epoch.

  Every member of a coalition gets the same gradient, and their logits add up.
  """
  first, classes = views.epochs(view)[0], view.public.num_classes
  g, h = (
    np.asarray(trees.vectors(tree))
    for tree in (first.gradients, first.embeddings)
  )
  shape = len(g), -1, classes
  return g.reshape(shape).mean(1), h.reshape(shape).sum(1)
