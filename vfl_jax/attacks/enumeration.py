"""Match clusters to classes by the gradients of the first round."""

import itertools
from typing import Literal

import jax
from jaxtyping import Float
from jaxtyping import Integer
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import clustering
from vfl_jax.attacks import recipes
from vfl_jax.attacks import views
from vfl_jax.runtime import trees

_EVERY = 7  # classes up to which all maps are tried: 5,040 maps
_MOST = 9  # largest such number allowed: 362,880 maps for each trial


def enumeration(
  *, on: Literal["features", "embeddings"] = "features", largest: int = _EVERY
) -> base.Attack:
  """Clusters the party's rows and names them by the first round's gradients.

  Every map of clusters to classes predicts a gradient for each row; the map
  whose predicted gradients have the highest cosine with the received ones is
  kept. No auxiliary sample is used: after the last stage, where logits are
  summed, the order of a party's own logits is the order of the classes. A
  trained top hides this order, because the same gradients would come down
  under another order of the classes.

  Args:
    on: what is clustered.
    largest: number of classes up to which every map is tried; with more
      classes, n^3 questions with two answers replace them: see `duels`.

  Raises:
    ValueError: `largest` is outside 0 to 9.

  Source: LEA, arXiv:2603.03777, 2026. Only the abstract of its binary version
  was available: n^3 trials instead of n!. Which trials is our reading.
  """
  if not 0 <= largest <= _MOST:
    raise ValueError(
      f"attack 'enumeration': largest is {largest}; take 0 to {_MOST} "
      f"({_MOST} classes have 362,880 maps in each trial)."
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
    scaled = recipes.units(np.concatenate([train, test]))
    distances, of_test = clustering.clusters(
      key, classes, *np.split(scaled, [len(train)])
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
  row_clusters: Integer[np.ndarray, " rows"],
  logits: Float[np.ndarray, "rows classes"],
  g: Float[np.ndarray, "rows classes"],
  largest: int = _EVERY,
) -> tuple[Integer[np.ndarray, " classes"], Float[np.ndarray, ""]]:
  """Finds the map of clusters to classes that explains the gradients best.

  Args:
    row_clusters: cluster of each row.
    logits: the adversary's own logits.
    g: gradients that came down.
    largest: see `enumeration`.

  Returns:
    The cluster of every class, and the cosine between the gradients that this
    map predicts and the received ones.
  """
  classes = g.shape[1]
  exponent = np.exp(logits - logits.max(1, keepdims=True))
  p = exponent / exponent.sum(1, keepdims=True)
  # if the rows of a cluster were of a class: sums over these rows of the inner
  # product of the predicted and received gradients, and of the squared length
  product = (p * g).sum(1, keepdims=True) - g
  square = (p**2).sum(1, keepdims=True) - 2 * p + 1
  products, squares = np.zeros((2, classes, classes))  # [cluster, class]
  np.add.at(products, row_clusters, product)
  np.add.at(squares, row_clusters, square)
  length = np.linalg.norm(g) + 1e-30
  clusters = np.arange(classes)

  def cosine(names):  # names: class of each cluster
    top = products[clusters, names].sum()
    return top / (length * np.sqrt(squares[clusters, names].sum()) + 1e-30)

  if classes <= largest:
    names = max(map(list, itertools.permutations(range(classes))), key=cosine)
  else:
    names = duels(row_clusters, p, g)
  return np.argsort(names), np.asarray(cosine(names))


def duels(
  row_clusters: Integer[np.ndarray, " rows"],
  p: Float[np.ndarray, "rows classes"],
  g: Float[np.ndarray, "rows classes"],
) -> Integer[np.ndarray, " classes"]:
  """The class of every cluster, by n^3 questions with two answers.

  Each question asks which of two clusters is a given class. For either answer,
  the predicted gradients of that class's logit on the rows of both clusters
  are compared by cosine with the received ones. A cluster's score for a class
  is its margin summed over the other clusters, and the best assignment is
  taken.

  Args:
    row_clusters: cluster of each row.
    p: predicted probabilities.
    g: gradients that came down.

  Returns:
    The class of each cluster.
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
  """The gradients with respect to the logits, and the adversary's own logits.

  Both are from the first epoch. Every member of a coalition gets the same
  gradient, and the members' logits add up.
  """
  first, classes = views.epochs(view)[0], view.public.num_classes
  g, h = (
    np.asarray(trees.vectors(tree))
    for tree in (first.gradients, first.embeddings)
  )
  shape = len(g), -1, classes
  return g.reshape(shape).mean(1), h.reshape(shape).sum(1)
