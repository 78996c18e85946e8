"""Train the bottoms on merged classes only."""

import jax
import jax.numpy as jnp
from jaxtyping import Integer
import numpy as np

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms
from vfl_jax.runtime import rng


def lcd(*, weight: float = 10.0, share: float = 0.7) -> base.Defense:
  """Merges pairs of classes while the bottoms train; then trains the top alone.

  In the first part of the training, pairs of classes share a label, and the
  embeddings of each label are drawn to a common centre. After that nothing
  goes down any more: the bottoms stay unchanged, and the top learns the true
  labels.

  Classes share a label if their means in the active party's own features are
  nearest (by cosine, pair after pair). If it has no features, the pairs are
  random.

  Args:
    weight: weight of the centre loss, the mean over elements of the squared
      distance from the centre (the published 1 and 10 are weights of the sum,
      under which the bottom of a wide map does not train).
    share: share of the training that uses merged labels.

  Raises:
    ValueError: `weight` is negative, or `share` is outside (0, 1).

  Source: "LCD", label compression and embedding compaction. Its published code
  finds the pairs in embeddings of a training that leaks the true labels, and
  states this.
  """
  bounds.within("lcd", "weight", weight, 0, float("inf"))
  if not 0 < share < 1:
    raise ValueError(
      f"defence 'lcd': share is {share}; take above 0 and below 1."
    )

  def merging(moment):
    return moment.progress < share

  def check(num_classes, kind):
    del kind
    if num_classes < 4 or num_classes % 2:
      raise ValueError(
        f"defence 'lcd' merges classes in pairs, and there are {num_classes}; "
        "it needs an even number from 4."
      )

  def prepare(key, secrets):
    merged = pairs(key, secrets)
    return base.Prepared(np.asarray(secrets.labels, np.int32), merged)

  def targets(codes, moment, labels):
    if labels.ndim > 1:
      raise ValueError(
        "defence 'lcd' needs hard labels, and another defence has replaced "
        "them by distributions; take 'lcd' alone."
      )
    return jnp.where(merging(moment), codes[labels], labels)

  return base.Defense(
    prepare=prepare,
    targets=targets,
    guard=_centred(weight, merging),
    silent=lambda progress: progress >= share,
    check=check,
    adaptive=(
      adaptive.COMPLETION,
      "similarity",
      "gradient_clustering",
    ),
  )


def _centred(weight, merging) -> base.Guard:
  """Draws embeddings to the centre of their label while classes are merged.

  `merging(moment)` says whether they are.
  """

  def init(key, embeddings, num_classes):
    del key
    return tuple(
      np.zeros((num_classes // 2, transforms.width(h)), np.float32)
      for h in embeddings
    )

  def penalty(params, embeddings, targets, moment):
    labels = jnp.argmax(targets, -1)
    total = jnp.float32(0.0)
    for centres, h in zip(params, embeddings, strict=True):
      matrix, _ = transforms.rows(h)
      gap = matrix - centres[jnp.minimum(labels, len(centres) - 1)]
      total += (gap**2).mean()
    return weight * jnp.where(merging(moment), total, 0.0)

  return base.Guard(init=init, penalty=penalty if weight else None)


def pairs(
  key: jax.Array, secrets: base.Secrets
) -> Integer[np.ndarray, " classes"]:
  """The merged label of every class; the nearest class means pair up first.

  Args:
    key: random key of the pairs, used where there are no features.
    secrets: labels and features of the active party.
  """
  classes = secrets.num_classes
  merged = np.zeros(classes, np.int32)
  if secrets.features is None:
    order = rng.generator(key).permutation(classes)
    merged[order] = np.arange(classes) // 2
    return merged
  labels = np.asarray(secrets.labels)
  means = np.stack(
    [secrets.features[labels == c].mean(0) for c in range(classes)]
  )
  means -= means.mean(0)
  means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
  gaps = 1 - means @ means.T
  np.fill_diagonal(gaps, np.inf)
  for label in range(classes // 2):
    a, b = np.unravel_index(np.argmin(gaps), gaps.shape)
    merged[[a, b]] = label
    gaps[[a, b]] = np.inf
    gaps[:, [a, b]] = np.inf
  return merged
