"""Fit surrogate tops and labels to one recorded epoch, from several starts."""

from collections.abc import Callable
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
from vfl_jax.models import perceptron
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng

_WIDTH = 64  # width of hidden layers
_HELD = 0.3  # share of the steps for which `unsplit` keeps its first labels
Starts = Literal["both", "random"]


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


class Top(NamedTuple):
  """A surrogate top, and the logarithm of the factor of its gradients."""

  params: Any
  log_factor: jax.Array


def attack(
  needs: frozenset[str],
  loss: Callable[..., jax.Array],
  read: Callable[..., Fit],
  plan: Plan,
) -> base.Attack:
  """Builds an attack that fits surrogates to one recorded epoch.

  Args:
    needs: what the attack needs.
    loss: `loss(apply, top, labels, h, g, shares, rows, held)` of a batch, whose
      place among all rows is `rows`. `apply(top.params, h)` are logits,
      `[batch, classes]`; `labels` are those of all rows; `held` says whether
      the first labels are kept.
    read: `read(apply, top, labels, h, g) -> Fit` of all rows, after the steps.
    plan: options of the attack.
  """

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


def squares(
  apply: Callable[..., jax.Array], top: Top, h: jax.Array, g: jax.Array
) -> jax.Array:
  """Squared distance from the gradient under every class, `[rows, classes]`.

  Args:
    apply: `apply(top.params, h)` are logits.
    top: the surrogate top.
    h: embeddings, `[rows, width]`.
    g: gradients that came down, `[rows, width]`.
  """
  logits, pull = jax.vjp(lambda h: apply(top.params, h), h)
  classes = logits.shape[1]
  wrong = jax.nn.softmax(logits)[None] - jnp.eye(classes)[:, None]
  sent = jax.vmap(lambda error: pull(error)[0])(wrong)  # [classes, rows, d]
  sent = jnp.exp(top.log_factor) * sent
  return jnp.sum((sent - g) ** 2, -1).T


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
    sent = squares(apply, Top(params, jnp.float32(0.0)), h, nothing)
    alike = -0.5 * jnp.log(jnp.median(sent) + 1e-30)
    factor = jnp.where(jnp.isnan(factor), alike, factor)
    variables = Top(params, factor), labels

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
