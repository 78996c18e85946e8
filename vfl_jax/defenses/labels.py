"""Defences that train on substitutes for the labels, drawn once."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.config import adaptive
from vfl_jax.config import bounds
from vfl_jax.defenses import accounting
from vfl_jax.defenses import base
from vfl_jax.defenses import compression
from vfl_jax.models import perceptron
from vfl_jax.runtime import rng

_WIDEST = 4096  # largest number of hidden units of an encoder
_STEPS = 1000  # steps of its training
_BATCH = 128
_TRIES = 8  # largest number of trainings of an encoder, see `cae`


def label_dp(*, epsilon: float = 1.0) -> base.Defense:
  """Randomised response: each training label is kept or redrawn, once.

  The true class has probability e^eps / (e^eps + C - 1), every other class
  1 / (e^eps + C - 1). The labels themselves, and so everything computed from
  them, are epsilon-differentially private, exactly and once for all epochs.

  Args:
    epsilon: epsilon of label differential privacy.

  Raises:
    ValueError: `epsilon` is not positive.

  Source: Warner 1965; Ghazi et al. 2021.
  """
  bounds.above("label_dp", "epsilon", epsilon)

  def prepare(key, secrets):
    generator = rng.generator(key)
    classes, labels = secrets.num_classes, np.asarray(secrets.labels)
    # e^eps / (e^eps + C - 1), also where e^eps would overflow
    keep = 1 / (1 + (classes - 1) * math.exp(-epsilon))
    kept = generator.random(len(labels)) < keep
    shift = generator.integers(1, classes, len(labels))
    noisy = np.where(kept, labels, (labels + shift) % classes)
    return base.Prepared(noisy.astype(np.int32))

  return base.Defense(
    prepare=prepare,
    guarantees=accounting.exact(epsilon),
    adaptive=(adaptive.COMPLETION, "hint"),
  )


def kdk(*, k: int = 3, epsilon: float = 0.65) -> base.Defense:
  """Soft labels: the truth and the k - 1 classes a teacher finds likeliest.

  The truth gets 1 - epsilon, each of the other classes epsilon / (k - 1). The
  teacher is a logistic regression on the active party's own features. If the
  party has no features, the other classes are drawn at random for each sample,
  which is ours.

  Args:
    k: number of classes that share a label.
    epsilon: total probability of the other classes (published: .65).

  Raises:
    ValueError: `k` is below 2; or `epsilon` is outside (0, (k - 1) / k), beyond
      which the truth would not be the most likely class.

  Source: Arazzi et al. 2024, "KDk".
  """
  if k < 2:
    raise ValueError(f"defence 'kdk': k is {k}; take at least 2.")
  if not 0 < epsilon < (k - 1) / k:
    raise ValueError(
      f"defence 'kdk': epsilon is {epsilon}; take above 0 and below (k - 1) / "
      f"k = {(k - 1) / k:.3g}, so that the truth stays the most likely class, "
      "or a larger k."
    )

  def check(num_classes, kind):
    del kind
    if k > num_classes:
      raise ValueError(
        f"defence 'kdk': k is {k}, and there are {num_classes} classes; take "
        f"2 to {num_classes}."
      )

  def prepare(key, secrets):
    labels, classes = np.asarray(secrets.labels), secrets.num_classes
    generator = rng.generator(key)
    if secrets.features is None:
      liking = generator.random((len(labels), classes))
    else:
      liking = _taught(secrets.features, labels, classes)
    liking[np.arange(len(labels)), labels] = np.inf
    order = np.argsort(-liking, axis=1, kind="stable")[:, :k]
    targets = np.zeros((len(labels), classes), np.float32)
    np.put_along_axis(targets, order, epsilon / (k - 1), axis=1)
    targets[np.arange(len(labels)), labels] = 1 - epsilon
    return base.Prepared(targets)

  return base.Defense(
    prepare=prepare,
    check=check,
    adaptive=("gradient_clustering", "similarity", "direct"),
  )


def cae(
  *, confusion: float = 1.0, steps: int = _STEPS, learning_rate: float = 1e-3
) -> base.Defense:
  """Trains on labels that an autoencoder has disguised.

  The encoder maps one-hot labels to distributions in which another class than
  the true one should be the most likely. At most 8 trainings are tried until
  this holds for all classes; the training with the fewest exceptions is kept.
  The active party decodes the predictions. An attacker who knows a few labels
  can undo any code that is the same for all samples. With two classes the code
  can only swap them, whatever the confusion.

  Args:
    confusion: weight of the entropy, lambda in the paper, 0 to 2.
    steps: number of Adam steps, on batches of 128 random labels.
    learning_rate: learning rate of Adam.

  Raises:
    ValueError: `confusion` is outside [0, 2], `steps` is below 1, or
      `learning_rate` is not positive.

  Source: Zou et al. 2022, "Defending batch-level label inference and
  replacement attacks in vertical federated learning": encoder and decoder of
  one hidden layer of (6C + 2)^2 units, here at most 4096.
  """
  bounds.within("cae", "confusion", confusion, 0, 2)
  bounds.within("cae", "steps", steps, 1, math.inf)
  bounds.above("cae", "learning_rate", learning_rate)

  def prepare(key, secrets):
    code, decoder = _code(
      key, secrets.num_classes, confusion, steps, learning_rate
    )
    targets = code[np.asarray(secrets.labels)]
    return base.Prepared(targets, {"code": code, "decoder": decoder})

  return base.Defense(
    prepare=prepare,
    decode=_decoded,
    code=lambda codes: codes["code"],
    adaptive=(
      "similarity",
      "hint",
      adaptive.COMPLETION,
      adaptive.DECODED_GRADIENT,
      adaptive.DECODED_AVERAGES,
    ),
  )


def dcae(
  *, confusion: float = 1.0, bound: float = 0.03, bins: int = 12
) -> base.Defense:
  """`cae` with `discrete` gradients.

  Args:
    confusion: see `cae`.
    bound: see `compression.discrete`.
    bins: see `compression.discrete`.

  Raises:
    ValueError: as `cae` and `discrete`.
  """
  code = cae(confusion=confusion)
  levels = compression.discrete(bound=bound, bins=bins)
  return code._replace(gradient=levels.gradient)


def _taught(features, labels, classes):
  """Class probabilities of a teacher, `[n, classes]`."""
  from sklearn import linear_model
  from sklearn import pipeline
  from sklearn import preprocessing

  teacher = pipeline.make_pipeline(
    preprocessing.StandardScaler(),
    linear_model.LogisticRegression(max_iter=1000),
  ).fit(features, labels)
  probabilities = np.zeros((len(labels), classes))
  probabilities[:, teacher[-1].classes_] = teacher.predict_proba(features)
  return probabilities


def _network(classes):
  width = min((6 * classes + 2) ** 2, _WIDEST)
  return perceptron.perceptron(classes, (width,))


def _code(key, *options) -> tuple[np.ndarray, Any]:
  """The code of every class, `[classes, classes]`, and the decoder."""
  classes = np.arange(options[0])
  best, fewest = None, len(classes) + 1
  for i in range(_TRIES):
    code, decoder = _training(*options)(rng.fold_in(key, i))
    bare = int((np.argmax(code, 1) == classes).sum())
    if bare < fewest:
      best, fewest = (code, decoder), bare
    if not bare:
      break
  return jax.tree.map(np.asarray, best)


@functools.lru_cache
def _training(classes, confusion, steps, learning_rate):
  """Builds the training of an autoencoder, one program for all seeds."""
  init, apply = _network(classes)
  optimizer = optax.adam(learning_rate)
  eye = jnp.eye(classes)

  def loss(params: Any, labels):
    encoder, decoder = params
    # each class is encoded once, because the labels of a batch repeat
    log_codes = jax.nn.log_softmax(apply(encoder, eye))
    back = jax.nn.log_softmax(apply(decoder, jnp.exp(log_codes)))[labels]
    logs = log_codes[labels]
    code = jnp.exp(logs)
    truth = jax.nn.one_hot(labels, classes)
    right = -(truth * back).sum(1).mean()
    entropy = -(code * logs).sum(1).mean()
    # bounded, or the truth's probability would shrink without end
    wrong = jnp.minimum(-(truth * logs).sum(1), 10.0).mean()
    return 10 * right - confusion * entropy - wrong

  def step(carry, labels):
    params, state = carry
    change, state = optimizer.update(jax.grad(loss)(params, labels), state)
    return (optax.apply_updates(params, change), state), None

  def train(key: jax.Array):
    one, two, rest = rng.split(key, 3)
    params = init(one, eye), init(two, eye)
    carry = params, optimizer.init(params)
    drawn = rng.integers(rest, (steps, _BATCH), classes)
    final: Any = jax.lax.scan(step, carry, drawn)[0]
    encoder, decoder = final[0]
    return jax.nn.softmax(apply(encoder, eye)), decoder

  return jax.jit(train)


def _decoded(codes, logits):
  _, apply = _network(logits.shape[-1])
  return apply(codes["decoder"], jax.nn.softmax(logits))
