"""Labels as clusters of gradients or embeddings, or around known samples.

Clusters have no names. The auxiliary samples decide which class a cluster is
(by the assignment that gets most of them right); the true labels never do.
"""

from typing import Literal, NamedTuple
import warnings

import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.attacks import naming
from vfl_jax.attacks import views
from vfl_jax.runtime import rng

_STARTS = 10  # runs of k-means; the tightest clustering is kept


def spectral() -> base.Attack:
  """Clusters the embeddings along their leading singular vectors.

  Centred embeddings are projected on the top singular vector (with several
  classes, on one vector fewer than there are classes) and cut into as many
  clusters as there are classes.

  Source: Sun et al. 2022, arXiv:2203.01451; several classes: ours.
  """

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    from sklearn.utils import extmath

    train, test = (np.asarray(h, np.float64) for h in views.embeddings(view))
    centre = train.mean(0)
    classes = int(view.public.num_classes)
    _, _, axes = extmath.randomized_svd(
      train - centre, min(classes - 1, *train.shape), random_state=_number(key)
    )
    train, test = ((h - centre) @ axes.T for h in (train, test))
    distances, of_test = clusters(key, classes, train, test)
    order = naming.classes_of(distances, view.trial.aux_rows, view)
    return base.Inference(-distances[:, order], -of_test[:, order])

  return base.Attack(
    frozenset({"auxiliary", "bottom"}),
    infer,
    f"k-means from {_STARTS} starts; auxiliary samples only name the clusters",
    compiled=False,
  )


def gradient_clustering() -> base.Attack:
  """Spectral clustering of the gradients with affinity 1 + cosine.

  The affinity is a product of n x (d + 1) matrices, so its leading
  eigenvectors come from a thin singular value decomposition, without an n x n
  matrix.

  Source: Ng, Jordan and Weiss 2001 on cut gradients.
  """

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    observed = views.directed(views.gradients(view))
    covered = np.asarray(observed.covered)
    directions = np.asarray(views.unit(observed.vectors), np.float64)[covered]
    classes = view.public.num_classes
    distances = np.full((len(covered), classes), np.nan)
    if len(directions) >= classes:
      coordinates = leading(directions, classes, _number(key))
      (distances[covered],) = clusters(key, classes, coordinates)
    aux_rows = np.asarray(views.recorded(view, view.trial.aux_rows))
    order = naming.classes_of(distances, aux_rows, view)
    return base.Inference(
      -distances[:, order], None, rows=np.asarray(view.shared.recorded_rows)
    )

  return base.Attack(
    frozenset({"auxiliary", "gradients"}),
    infer,
    f"k-means from {_STARTS} starts; auxiliary samples only name the clusters",
    compiled=False,
    joins=True,
  )


def leading(
  directions: Float[np.ndarray, "rows width"], count: int, seed: int = 0
) -> Float[np.ndarray, "rows kept"]:
  """Coordinates for spectral clustering by the affinity 1 + cosine.

  Args:
    directions: unit vectors.
    count: number of eigenvectors of the normalised affinity.
    seed: seed of the randomised decomposition.

  Returns:
    Coordinates; every row has length one. There are fewer columns than `count`
    where rows or columns of `directions` do not suffice.
  """
  from sklearn.utils import extmath

  factor = np.hstack([np.ones((len(directions), 1)), directions])
  degree = np.maximum(factor @ factor.sum(0), 1e-12)  # of 1 + cosine
  factor = factor / np.sqrt(degree)[:, None]
  count = min(count, *factor.shape)
  vectors, _, _ = extmath.randomized_svd(factor, count, random_state=seed)
  length = np.linalg.norm(vectors, axis=1, keepdims=True)
  return vectors / np.maximum(length, 1e-12)


def similarity(
  *,
  on: Literal["gradients", "embeddings"] = "gradients",
  rule: Literal["nearest", "kmeans"] = "nearest",
  known: int = 0,
) -> base.Attack:
  """Picks the class of the most similar known sample, by cosine.

  Args:
    on: what is compared; only training rows have gradients.
    rule: "nearest" known sample, or "kmeans", which starts at the known
      samples and matches its clusters with them again after convergence.
    known: known samples per class (published: 1); 0 for all of them.

  Raises:
    ValueError: `known` is below 0.

  Source: Liu and Lyu, "Similarity-based label inference attack against split
  learning", TIFS 2024.
  """
  if known < 0:
    raise ValueError(
      f"attack 'similarity': known is {known}; take at least 1, or 0 for all."
    )
  compared = _nearest if rule == "nearest" else _clustered

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    del key
    seen = _seen(view, on, known)
    compare = compared(seen)
    if seen.covered is None:
      return base.Inference(compare(seen.train), compare(seen.test))
    scores = jnp.where(seen.covered[:, None], compare(seen.train), jnp.nan)
    rows = jnp.asarray(view.shared.recorded_rows)
    return base.Inference(scores, None, rows=rows)

  return base.Attack(
    frozenset({"auxiliary", "gradients" if on == "gradients" else "bottom"}),
    infer,
    f"at most {known} known sample{'s' * (known > 1)} of a class"
    if known
    else "all known samples",
    compiled=rule == "nearest",
    joins=on == "gradients",
  )


class _Seen(NamedTuple):
  """Unit vectors that `similarity` compares.

  Attributes:
    train: of the training rows, `[rows, width]`; the recorded ones if they are
      gradients.
    test: of the test rows; None for gradients.
    known: of the known samples, `[classes, k, width]`.
    there: which of the known samples were seen, `[classes, k]`.
    covered: which of the training rows were seen; None for all.
  """

  train: jax.Array
  test: jax.Array | None
  known: jax.Array
  there: jax.Array
  covered: jax.Array | None


def _seen(view, on, known) -> _Seen:
  if on == "embeddings":
    rows = views.known(view, known)
    train, test = (views.unit(h) for h in views.embeddings(view))
    return _Seen(train, test, train[rows], jnp.ones(rows.shape, bool), None)
  observed = views.directed(views.gradients(view))
  train = views.unit(observed.vectors)
  rows, there = views.known_gradients(view, observed.covered, known)
  return _Seen(train, None, train[rows], there, observed.covered)


def _nearest(seen: _Seen):
  """Cosine with the most similar known sample of each class."""

  def compare(vectors):
    cosines = jnp.einsum("nd,ckd->nck", vectors, seen.known)
    return jnp.max(jnp.where(seen.there, cosines, -2.0), 2)

  return compare


def _clustered(seen: _Seen):
  """Closeness to the clusters that k-means finds from the known samples on."""
  from scipy import optimize
  from scipy.spatial import distance
  from sklearn import cluster

  usable = np.asarray(seen.train, np.float64)
  if seen.covered is not None:
    usable = usable[np.asarray(seen.covered)]
  classes = len(seen.known)
  if len(usable) < classes:
    return lambda vectors: np.full((len(vectors), classes), np.nan)
  weights = np.asarray(seen.there, np.float64)[:, :, None]
  means = (np.asarray(seen.known, np.float64) * weights).sum(1)
  means /= np.maximum(weights.sum(1), 1)
  model = cluster.KMeans(classes, init=means, n_init=1).fit(usable)
  gaps = distance.cdist(means, model.cluster_centers_)
  _, order = optimize.linear_sum_assignment(gaps)
  centres = model.cluster_centers_[order]
  return lambda vectors: -distance.cdist(np.asarray(vectors), centres)


def _number(key) -> int:
  return int(rng.generator(key).integers(2**31))


def clusters(
  key: jax.Array,
  count: int,
  vectors: Float[np.ndarray, "rows width"],
  *others: Float[np.ndarray, "_ width"],
) -> list[Float[np.ndarray, "_ count"]]:
  """Distances from the centres of k-means on `vectors`.

  Args:
    key: random key.
    count: number of clusters.
    vectors: vectors to cluster.
    *others: more vectors, whose distances are returned too.

  Returns:
    Distances `[n, count]` of `vectors`, then of each of `others`.
  """
  from sklearn import cluster
  from sklearn import exceptions

  model = cluster.KMeans(
    count, n_init=_STARTS, random_state=_number(rng.stream(key, "k-means"))
  )
  # gradients of a network that stopped learning may all be equal
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
    model.fit(vectors)
  return [model.transform(v) for v in (vectors, *others)]
