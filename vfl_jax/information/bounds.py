"""Variational lower bounds on mutual information as pure functions.

Each gives per-sample influences: their mean is the estimate, their spread its
standard error (delta method). `smile` and `jsd` are no bounds: the papers'
read-outs clip, or were trained for another divergence.
"""

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.information import base
from vfl_jax.information import critics
from vfl_jax.models import readout

_DECAY = 0.99  # of the running average in the gradient of `mine`


def mine(
  num_classes: int | None, *, hidden: int = 64, critic: str = ""
) -> base.Bound:
  """Donsker-Varadhan bound with a moving-average corrected gradient.

  I(T;Y) >= E[f(t,y)] - log E_{p(t)p(y)}[exp f(t,y)].

  Args:
    num_classes: of integer targets, or None for float targets `[n, m]`.
    hidden: width of the critic.
    critic: "labels", "concatenated", or empty: what fits the targets.

  Source: Belghazi et al. 2018, section 3.2.
  """
  f = critics.build(critic, num_classes, hidden)

  def loss(params, log_average, t, y, prior):
    scores = f.scores(params, t, y, prior)
    log_mean = _log_mean(scores.log_ratio())
    log_average = jax.lax.stop_gradient(
      jnp.logaddexp(
        jnp.log(_DECAY) + log_average, jnp.log(1 - _DECAY) + log_mean
      )
    )
    # the gradient of exp(log_mean) over its running average, not over itself
    value = jnp.mean(scores.joint) - jnp.exp(log_mean - log_average)
    return -value, log_average

  def influence(params, t, y, prior):
    return _donsker_varadhan(f.scores(params, t, y, prior))

  return _bound(f, loss, influence)


def nwj(
  num_classes: int | None, *, hidden: int = 64, critic: str = ""
) -> base.Bound:
  """I(T;Y) >= 1 + E[f(t,y)] - E_{p(t)p(y)}[exp f(t,y)]; see `mine`.

  The bound is unbiased and its variance grows as exp(I).

  Source: Nguyen, Wainwright and Jordan 2010, with f shifted by one so that an
  untrained critic reads 0.
  """
  f = critics.build(critic, num_classes, hidden)

  def influence(params, t, y, prior):
    scores = f.scores(params, t, y, prior)
    return 1.0 + scores.joint - jnp.exp(scores.log_ratio())

  return _bound(f, _minus(influence), influence)


def infonce(
  num_classes: int | None,
  *,
  hidden: int = 64,
  critic: str = "",
  negatives: int = 0,
) -> base.Bound:
  """Which of K samples is the partner? At most log K nats; see `mine`.

  Args:
    num_classes: of integer targets, or None for float targets `[n, m]`.
    hidden: width of the critic.
    critic: "labels", "concatenated", or empty: what fits the targets.
    negatives: K - 1; 0 is 127 for a label-indexed critic, to which they cost
      nothing, and 31 for a concatenated one.

  Source: van den Oord et al. 2018; Poole et al. 2019, equation 12.
  """
  f = critics.build(critic, num_classes, hidden)
  cheap = num_classes and critic != "concatenated"
  size = 1 + (negatives or (127 if cheap else 31))

  def influence(params, t, y, prior):
    del prior
    scores = f.paired(params, t, y, size)
    return scores.joint - scores.log_ratio()

  bound = _bound(f, _minus(influence), influence)
  return bound._replace(cap=float(np.log(size)))


def jsd(
  num_classes: int | None, *, hidden: int = 64, critic: str = ""
) -> base.Bound:
  """Trained for the Jensen-Shannon divergence, read out by `mine`'s formula.

  Steadier to train than `mine`; its optimum is the same density ratio.

  Source: Hjelm et al. 2019; Poole et al. 2019.
  """
  return smile(num_classes, hidden=hidden, critic=critic, clip=np.inf)


def smile(
  num_classes: int | None,
  *,
  hidden: int = 64,
  critic: str = "",
  clip: float = 5.0,
) -> base.Bound:
  """`jsd` with the density ratio clipped to exp(+-clip) in the partition.

  Less variance, and no longer a bound: it may exceed the truth.

  Args:
    num_classes: of integer targets, or None for float targets `[n, m]`.
    hidden: width of the critic.
    critic: "labels", "concatenated", or empty: what fits the targets.
    clip: on the log ratio.

  Source: Song and Ermon 2020.
  """
  f = critics.build(critic, num_classes, hidden)

  def divergence(params, t, y, prior):
    scores = f.scores(params, t, y, prior)
    weights = jnp.exp(scores.log_weights)
    crossed = (jax.nn.softplus(scores.crossed) * weights).sum(-1)
    return jnp.mean(-jax.nn.softplus(-scores.joint) - crossed)

  def influence(params, t, y, prior):
    scores = f.scores(params, t, y, prior)
    clipped = jnp.clip(scores.crossed, -clip, clip)
    return _donsker_varadhan(scores._replace(crossed=clipped))

  def loss(params, state, t, y, prior):
    return -divergence(params, t, y, prior), state

  bound = _bound(f, loss, influence)
  return bound._replace(criterion=divergence)


def classifier(
  num_classes: int | None,
  *,
  hidden: int = 64,
  critic: str = "",
  family: str = "both",
) -> base.Bound:
  """Barber-Agakov bound: E[log q(y|t) - log p(y)], q a softmax.

  With one family of q it is the usable (V-) information of that family. The
  logits are added to log p(y), so that the untrained bound is exactly 0.
  With a label-indexed critic it is `infonce` with infinitely many negatives.

  Args:
    num_classes: of the targets.
    hidden: width of the classifier.
    critic: "labels", or "concatenated" (asks for every class in turn).
    family: "linear", "mlp", or "both" (their sum).

  Raises:
    ValueError: float targets, unknown family.

  Source: Barber and Agakov 2003; V-information: Xu et al. 2020.
  """
  if not num_classes:
    raise ValueError(
      "the classifier bound needs integer targets; take 'mine' for float ones."
    )
  if family not in readout.FAMILIES:
    raise ValueError(
      f"family is {family!r}; take one of {', '.join(readout.FAMILIES)}."
    )
  if critic == "concatenated":
    f = critics.build(critic, num_classes, hidden)
    init, logits = f.init, f.logits
    assert logits is not None
  else:
    critics.build(critic, num_classes, hidden)  # refuses an unknown one
    net, logits = readout.critic(num_classes, hidden, family)
    init = lambda key, t, y: net(key, t)

  def influence(params, t, y, prior):
    log_prior = jnp.log(prior)
    log_q = jax.nn.log_softmax(logits(params, t) + log_prior)
    return jnp.take_along_axis(log_q, y[:, None], 1)[:, 0] - log_prior[y]

  return base.Bound(
    init,
    _minus(influence),
    0.0,
    influence,
    _mean(influence),
  )


def linear(num_classes: int | None, *, hidden: int = 64) -> base.Bound:
  """Usable information of a linear probe: `classifier` of that family."""
  return classifier(num_classes, hidden=hidden, family="linear")


def mlp(num_classes: int | None, *, hidden: int = 64) -> base.Bound:
  """Usable information of a small perceptron: `classifier` of that family."""
  return classifier(num_classes, hidden=hidden, family="mlp")


def _bound(f, loss, influence):
  return base.Bound(
    f.init,
    loss,
    0.0,
    influence,
    _mean(influence),
  )


def _donsker_varadhan(scores: critics.Scores) -> jax.Array:
  """Influences of E[f] - log E[exp f]: the ratio is linearised at its mean."""
  log_ratio = scores.log_ratio()
  log_mean = _log_mean(log_ratio)
  return scores.joint - log_mean - jnp.exp(log_ratio - log_mean) + 1.0


def _log_mean(log_values):
  return jax.nn.logsumexp(log_values) - jnp.log(len(log_values))


def _mean(influence):
  return lambda *args: jnp.mean(influence(*args))


def _minus(influence):
  """The loss of a bound that is its own objective."""

  def loss(params, state, t, y, prior):
    return -jnp.mean(influence(params, t, y, prior)), state

  return loss
