"""Fit a surrogate top and labels that reproduce the received gradients.

Both attacks search for a top and for labels that would have sent the gradients
that came down, up to one factor, because a defence may have scaled all of them.
No loss squares the distance of a row, so that a few loud rows do not decide.
Another order of the classes gives the same gradients, so
auxiliary samples name the classes and calibrate their scores.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.attacks import base
from vfl_jax.attacks import clustering
from vfl_jax.attacks import naming
from vfl_jax.attacks import views
from vfl_jax.config import bounds
from vfl_jax.models import perceptron
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng

_NEEDS = frozenset({"gradients", "auxiliary"})
_WIDTH = 64  # width of hidden layers
_LOWEST = {
  "steps": 1,
  "depth": 0,
  "batch": 1,
  "learning_rate": bounds.ABOVE,
  "restarts": 1,
}
Starts = Literal["both", "random"]
_HELD = 0.3  # share of the steps for which `unsplit` keeps its first labels


class Plan(NamedTuple):
  """How surrogates are fitted; the fields are options of the attacks."""

  steps: int
  depth: int
  batch: int
  learning_rate: float
  restarts: int
  epoch: int
  starts: Starts


class Fit(NamedTuple):
  """The result of fitting a surrogate from one start.

  Attributes:
    scores: `[rows, classes]`, higher where the class fits better.
    misfit: mean of log(1 + d^2) over the rows, where d is the distance of its
      gradient from the one that came down, in units of their median norm.
  """

  scores: jax.Array
  misfit: jax.Array


def unsplit(
  *,
  steps: int = 2000,
  depth: int = 0,
  batch: int = 64,
  learning_rate: float = 0.005,
  restarts: int = 4,
  epoch: int = -1,
  starts: Starts = "both",
) -> base.Attack:
  """Picks the label whose gradient through a clone of the top is nearest.

  The clone and its factor are trained to reproduce what came down, with each
  sample under the label that currently fits it best. The best fit of several
  starts is kept.

  Args:
    steps: number of Adam steps per start.
    depth: number of hidden layers of the clone.
    batch: rows per step.
    learning_rate: first learning rate of Adam, falling to zero.
    restarts: number of starts.
    epoch: index of the recorded epoch; -1 is the last one.
    starts: "random" as published, or "both": every second start begins at
      clusters of the gradients.

  Raises:
    ValueError: a value is out of its range.

  Source: Erdogan et al., "UnSplit", WPES 2022, section 3.3. The factor, the
  logarithm, several starts, starts at clusters, and naming classes by auxiliary
  samples are ours.
  """
  plan = Plan(steps, depth, batch, learning_rate, restarts, epoch, starts)
  bounds.at_least("unsplit", _LOWEST, plan._asdict())

  def gaps(apply, top, h, g):
    return jnp.log1p(_squares(apply, top, h, g))

  def loss(apply, top, labels, h, g, prior, rows, held):
    del prior
    found = gaps(apply, top, h, g)
    first = jnp.take_along_axis(found, jnp.argmax(labels[rows], 1)[:, None], 1)
    return jnp.mean(jnp.where(held, first[:, 0], jnp.min(found, 1)))

  def read(apply, top, labels, h, g):
    del labels
    found = gaps(apply, top, h, g)
    return Fit(-found, jnp.mean(jnp.min(found, 1)))

  return _attack(_NEEDS, loss, read, plan)


def exploit(
  *,
  steps: int = 2000,
  depth: int = 0,
  batch: int = 64,
  learning_rate: float = 0.02,
  restarts: int = 4,
  epoch: int = -1,
  starts: Starts = "both",
  variant: Literal["ours", "paper"] = "ours",
) -> base.Attack:
  """Fits surrogate labels and a surrogate top by replaying the gradients.

  The loss is a weighted sum of three terms: the distance to the gradients that
  came down; the cross entropy of the surrogate top under the surrogate labels,
  divided by H(Y); and the divergence of the labels' mean from the class shares.

  Args:
    steps: number of Adam steps per start.
    depth: number of hidden layers of the surrogate top.
    batch: rows per step.
    learning_rate: first learning rate of Adam, falling to zero.
    restarts: number of starts; the start whose gradients fit best is kept.
    epoch: index of the recorded epoch; -1 is the last one.
    starts: see `unsplit`.
    variant: "paper" uses the L1 distance, no factor, and weights the distance
      and the divergence by 0.001. "ours" uses the Euclidean distance and
      weights the cross entropy by 0.1, because the distance must dominate where
      other parties influence the predictions too.

  Raises:
    ValueError: a value is out of its range.

  Source: Kariyappa and Qureshi, "ExPLoit", 2021 (arXiv:2112.01299). One public
  version also reads the victim's predictions; this one does not.
  """
  plan = Plan(steps, depth, batch, learning_rate, restarts, epoch, starts)
  bounds.at_least("exploit", _LOWEST, plan._asdict())
  published = variant == "paper"
  gradient, prior, entropy = (1e-3, 1e-3, 1.0) if published else (1.0, 1.0, 0.1)

  def loss(apply, top, labels, h, g, shares, rows, held):
    del held
    if published:
      top = top._replace(log_factor=jax.lax.stop_gradient(top.log_factor))
    y = jax.nn.softmax(labels[rows])

    def cross_entropy(h):
      log_q = jax.nn.log_softmax(apply(top.params, h))
      return -jnp.sum(y * log_q, -1)

    gap = _sent(cross_entropy, top, h) - g
    mean = jnp.mean(y, 0)
    divergence = jnp.sum(shares * (jnp.log(shares) - jnp.log(mean + 1e-12)))
    certainty = -jnp.sum(shares * jnp.log(shares))
    length = jnp.linalg.norm(gap + 1e-12, ord=1 if published else 2, axis=1)
    return (
      gradient * jnp.mean(length)
      + entropy * jnp.mean(cross_entropy(h)) / certainty
      + prior * divergence
    )

  def read(apply, top, labels, h, g):
    log_y = jax.nn.log_softmax(labels)

    def cross_entropy(h):
      log_q = jax.nn.log_softmax(apply(top.params, h))
      return -jnp.sum(jnp.exp(log_y) * log_q, -1)

    gap = _sent(cross_entropy, top, h) - g
    return Fit(log_y, jnp.mean(jnp.log1p(jnp.sum(gap**2, 1))))

  return _attack(_NEEDS | {"label_prior"}, loss, read, plan)


class _Top(NamedTuple):
  """A surrogate top, and the logarithm of the factor of its gradients."""

  params: Any
  log_factor: jax.Array


def _sent(cross_entropy, top, h):
  """Gradient that the top sends for each row, `[rows, width]`."""
  sent = jax.grad(lambda h: cross_entropy(h).sum())(h)
  return jnp.exp(top.log_factor) * sent


def _squares(apply, top, h, g):
  """Squared distance from the gradient under every class, `[rows, classes]`."""
  logits, pull = jax.vjp(lambda h: apply(top.params, h), h)
  classes = logits.shape[1]
  wrong = jax.nn.softmax(logits)[None] - jnp.eye(classes)[:, None]
  sent = jax.vmap(lambda error: pull(error)[0])(wrong)  # [classes, rows, d]
  sent = jnp.exp(top.log_factor) * sent
  return jnp.sum((sent - g) ** 2, -1).T


def _attack(needs, loss, read, plan: Plan) -> base.Attack:
  """Builds an attack that fits surrogates to one recorded epoch."""

  def infer(key: jax.Array, view: base.View) -> base.Inference:
    seen = views.replayed(view, plan.epoch)
    classes = view.public.num_classes
    scores = np.full((len(seen.covered), classes), np.nan)
    rows = np.asarray(view.shared.recorded_rows)
    if not len(seen.h):  # nothing came down
      nothing = {"misfit": np.asarray(np.nan)}
      return base.Inference(scores, None, rows=rows, details=nothing)
    shares = np.full(classes, 1 / classes, np.float32)
    if view.public.label_prior is not None:
      shares = np.asarray(view.public.label_prior, np.float32)
    fits = _fits(
      rng.split(key, plan.restarts),
      _starts(key, seen.g, classes, plan.restarts, plan.starts == "both"),
      _factors(seen.unit, plan.restarts),
      seen.h,
      (seen.g / seen.unit).astype(np.float32),
      np.maximum(shares, 1e-6),
      loss=loss,
      read=read,
      steps=plan.steps,
      hidden=(_WIDTH,) * plan.depth,
      batch=min(plan.batch, len(seen.h)),
      rate=plan.learning_rate,
    )
    best = int(np.argmin(np.nan_to_num(fits.misfit, nan=np.inf)))
    scores[seen.covered] = np.asarray(fits.scores[best])
    aux_rows = np.asarray(views.recorded(view, view.trial.aux_rows))
    return base.Inference(
      naming.calibrated(scores, aux_rows, view),
      None,
      rows=rows,
      details={"misfit": np.asarray(fits.misfit[best])},
    )

  return base.Attack(
    needs,
    infer,
    f"{plan.restarts} surrogate tops of {plan.steps} steps; auxiliary samples "
    "only name and calibrate the classes",
    compiled=False,
    epochs=plan.epoch + 1 if plan.epoch >= 0 else -plan.epoch,
  )


def _starts(key, g, classes, restarts, clustered):
  """Labels to start from, as logits `[restarts, rows, classes]`.

  If `clustered`, every second start begins at clusters of the gradients'
  directions.
  """
  generator = rng.generator(rng.stream(key, "starts"))
  shape = restarts, len(g), classes
  starts = 0.1 * generator.standard_normal(shape, np.float32)
  for start in starts[::2] if clustered and len(g) >= classes else ():
    (distances,) = clustering.clusters(
      rng.stream(key, "clusters", int(generator.integers(2**31))),
      classes,
      np.asarray(views.unit(g), np.float64),
    )
    start[np.arange(len(g)), distances.argmin(1)] += 3.0
  return starts


def _factors(unit, restarts):
  """First factors, as logarithms: two starts of each four are not told."""
  honest = np.full(restarts, -np.log(unit), np.float32)
  return np.where(np.arange(restarts) // 2 % 2, np.float32(np.nan), honest)


@functools.partial(
  jax.jit, static_argnames=("loss", "read", "steps", "hidden", "batch", "rate")
)
def _fits(
  keys, labels, factors, h, g, shares, *, loss, read, steps, hidden, batch, rate
):
  """Fits a surrogate from every start and reads its scores.

  Gradients are in units of their median norm. `factors` are logarithms; where
  one is NaN, the first top sends gradients of the same median norm.
  """
  init, apply = perceptron.perceptron(len(shares), hidden)
  optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

  def one(key, labels, factor):
    params = init(rng.stream(key, "top"), h[:2])
    nothing = jnp.zeros_like(g)
    sent = _squares(apply, _Top(params, jnp.float32(0.0)), h, nothing)
    alike = -0.5 * jnp.log(jnp.median(sent) + 1e-30)
    factor = jnp.where(jnp.isnan(factor), alike, factor)
    variables = _Top(params, factor), labels

    def step(carry: Any, inputs) -> tuple[Any, None]:
      (variables, state), (rows, i) = carry, inputs

      def of(variables):
        return loss(
          apply,
          *variables,
          h[rows],
          g[rows],
          shares,
          rows,
          i < _HELD * steps,
        )

      gradient = jax.grad(of)(variables)
      change, state = optimizer.update(gradient, state)
      return (optax.apply_updates(variables, change), state), None

    drawn = rng.integers(rng.stream(key, "steps"), (steps, batch), len(h))
    start = (variables, optimizer.init(variables))
    (variables, _), _ = jax.lax.scan(step, start, (drawn, jnp.arange(steps)))
    return read(apply, *variables, h, g)

  return axes.over(one, "map")(keys, labels, factors)
