"""Limit what embeddings reveal about labels: penalties and a bottleneck.

All of these defences act at the active party, on the embeddings of passive
parties, and reach the bottoms through the gradients that come down.
"""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Float
from jaxtyping import Num
import numpy as np

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import base
from vfl_jax.defenses import transforms
from vfl_jax.models import perceptron
from vfl_jax.runtime import rng


def mid(*, weight: float = 0.01) -> base.Defense:
  """A variational bottleneck between every embedding and the top.

  z = mean(h) + deviation(h) * noise, both linear in h along its last axis, and
  the divergence of z from a standard normal is added to the loss. After
  training, the model uses the mean.

  Args:
    weight: weight of the divergence (nats per sample; published: .001 to 1).

  Raises:
    ValueError: `weight` is negative.

  Source: Zou et al. 2023, "Mutual information regularization for vertical
  federated learning".
  """
  bounds.within("mid", "weight", weight, 0, math.inf)
  if not weight:
    return base.Defense()

  def init(key, embeddings, num_classes):
    del num_classes
    generator = rng.generator(key)

    def maps(leaf):
      d = leaf.shape[-1]
      near = 0.1 / np.sqrt(d) * generator.standard_normal((2, d, d))
      return {
        "mean": {
          "kernel": np.float32(np.eye(d) + near[0]),
          "bias": np.zeros(d, np.float32),
        },
        "log_deviation": {
          "kernel": np.float32(near[1]),
          "bias": np.full(d, -1.0, np.float32),
        },
      }

    return [
      [maps(leaf) for leaf in transforms.leaves(h)[0]] for h in embeddings
    ]

  def apply(params, embeddings, moment):
    bottlenecked, cost = [], jnp.float32(0.0)
    for k, (maps, h) in enumerate(zip(params, embeddings, strict=True)):
      leaves, back = transforms.leaves(h)
      codes = []
      for i, (layer, leaf) in enumerate(zip(maps, leaves, strict=True)):
        mean = leaf @ layer["mean"]["kernel"] + layer["mean"]["bias"]
        if moment is None:
          codes.append(mean)
          continue
        logs = layer["log_deviation"]
        log = jnp.clip(leaf @ logs["kernel"] + logs["bias"], -8.0, 4.0)
        noise = rng.normal(rng.stream(moment.key, "mid", k, i), leaf.shape)
        codes.append(mean + jnp.exp(log) * noise)
        cost += gaussian_divergence(mean, log).sum() / len(leaf)
      bottlenecked.append(back(codes))
    return tuple(bottlenecked), weight * cost

  return base.Defense(
    guard=base.Guard(init=init, apply=apply), adaptive=adaptive.STRONGER
  )


def dcor(
  *, weight: float = 0.1, form: Literal["log", "squared"] = "log"
) -> base.Defense:
  """Adds the distance correlation of embeddings and labels to the loss.

  Args:
    weight: weight of the mean over passive parties (published: 1e-4 to 1).
    form: "log" of the distance correlation, as published, or "squared".

  Raises:
    ValueError: `weight` is negative.

  Source: Sun et al. 2022, "Label leakage and protection from forward embedding
  in vertical federated learning"; Szekely et al. 2007.
  """
  bounds.within("dcor", "weight", weight, 0, math.inf)
  if not weight:
    return base.Defense()

  def penalty(params, embeddings, targets, moment):
    del params, moment
    squares = [
      distance_correlation(transforms.rows(h)[0], targets) for h in embeddings
    ]
    if form == "log":  # of the root
      squares = [0.5 * jnp.log(square + 1e-8) for square in squares]
    return weight * sum(squares) / len(squares)

  return base.Defense(
    guard=base.Guard(penalty=penalty), adaptive=adaptive.STRONGER
  )


def peloss(
  *, weight: float = 2.0, pairs: Literal["mean", "sum"] = "mean"
) -> base.Defense:
  """Makes samples of one class repel each other, as charges do.

  Args:
    weight: weight of the inverse distances, alpha in the paper.
    pairs: "mean" of the inverse distances over the pairs of one class in a
      batch, which does not grow with the batch, or their "sum".

  Raises:
    ValueError: `weight` is negative.

  Source: Zheng et al. 2023, "Reducing label leakage in split learning via
  potential energy loss".
  """
  bounds.within("peloss", "weight", weight, 0, math.inf)
  if not weight:
    return base.Defense()

  def penalty(params, embeddings, targets, moment):
    del params, moment
    labels = jnp.argmax(targets, -1)
    same = (labels[:, None] == labels[None, :]) & ~jnp.eye(
      len(labels), dtype=bool
    )
    total = jnp.float32(0.0)
    for h in embeddings:
      gaps = distances(transforms.rows(h)[0])
      energy = jnp.where(same, 1 / jnp.maximum(gaps, 1e-3), 0.0).sum()
      total += (
        energy / jnp.maximum(same.sum(), 1) if pairs == "mean" else energy
      )
    return weight * total

  return base.Defense(
    guard=base.Guard(penalty=penalty), adaptive=adaptive.STRONGER
  )


def adversarial(*, weight: float = 1.0, hidden: int = 64) -> base.Defense:
  """Trains a head to read labels off embeddings, and reverses its gradient.

  The head trains to predict the labels. Its gradient to the embeddings is
  reversed, except for rows on which the head is already worse than a guess:
  pushing them further would only let them grow until the training diverges.
  This bound is ours.

  Args:
    weight: weight of the reversed gradient.
    hidden: width of the head's hidden layer.

  Raises:
    ValueError: `weight` is negative, or `hidden` is below 1.

  Source: Ganin et al. 2016 for the reversal, as in public VFL code.
  """
  bounds.within("adversarial", "weight", weight, 0, math.inf)
  bounds.within("adversarial", "hidden", hidden, 1, math.inf)
  if not weight:
    return base.Defense()

  def init(key, embeddings, num_classes):
    draw, _ = perceptron.perceptron(num_classes, (hidden,))
    return [
      jax.tree.map(
        np.asarray,
        draw(
          rng.stream(key, "adversary", k), jnp.zeros((2, transforms.width(h)))
        ),
      )
      for k, h in enumerate(embeddings)
    ]

  def penalty(params, embeddings, targets, moment):
    del moment
    total = jnp.float32(0.0)
    for head, h in zip(params, embeddings, strict=True):
      matrix, _ = transforms.rows(h)
      classes = targets.shape[-1]
      _, apply = perceptron.perceptron(classes, (hidden,))

      def losses(x, head=head, apply=apply):
        return -(targets * jax.nn.log_softmax(apply(head, x))).sum(1)

      read = losses(jax.lax.stop_gradient(matrix)) < jnp.log(classes)
      pushed = weight * jax.lax.stop_gradient(read)[:, None]
      total += losses(reversed_gradient(matrix, pushed)).mean()
    return total

  return base.Defense(
    guard=base.Guard(init=init, penalty=penalty), adaptive=adaptive.STRONGER
  )


def gaussian_divergence(
  mean: Float[jax.Array, "*shape"], log_deviation: Float[jax.Array, "*shape"]
) -> Float[jax.Array, "*shape"]:
  """KL(N(mean, deviation^2) || N(0, 1)) in nats, for each element."""
  return 0.5 * (mean**2 + jnp.exp(2 * log_deviation) - 1 - 2 * log_deviation)


def distances(
  x: Num[jax.Array, "rows width"],
) -> Float[jax.Array, "rows rows"]:
  """Euclidean distances of all pairs of rows; gradient 0 at distance 0.

  >>> distances(jnp.array([[0.0], [3.0]])).tolist()
  [[0.0, 3.0], [3.0, 0.0]]
  """
  x = x - jax.lax.stop_gradient(x.mean(0))  # reduces cancellation
  squares = jnp.einsum("nd,nd->n", x, x)
  square = squares[:, None] + squares[None, :] - 2 * (x @ x.T)
  # what cancellation leaves of a zero distance counts as zero
  apart = square > 1e-6 * (squares[:, None] + squares[None, :])
  return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1.0)), 0.0)


def distance_correlation(
  x: Num[jax.Array, "rows width"], y: Num[jax.Array, "rows other"]
) -> Float[jax.Array, ""]:
  """The squared distance correlation of two samples, in [0, 1].

  It and its gradient are 0 if one of the samples does not vary.

  Source: Szekely, Rizzo and Bakirov 2007, definition 4.
  """

  def centred(a):
    gaps = distances(a)
    means = gaps.mean(0)
    return gaps - means[:, None] - means[None, :] + means.mean()

  a, b = centred(x), centred(y)
  square = (a**2).mean() * (b**2).mean()
  varies = square > 1e-24
  scale = jnp.sqrt(jnp.where(varies, square, 1.0))
  return jnp.where(varies, jnp.maximum((a * b).mean(), 0.0) / scale, 0.0)


@jax.custom_vjp
def reversed_gradient(x: jax.Array, weight: float | jax.Array) -> jax.Array:
  """Returns x; its gradient is reversed and multiplied by `weight`."""
  del weight
  return x


def _forward(x, weight):
  return x, weight


def _backward(weight, gradient):
  return -weight * gradient, None


reversed_gradient.defvjp(_forward, _backward)
