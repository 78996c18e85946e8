"""The label privacy that noise on clipped gradients proves.

Changing one label changes that row's gradient by at most twice the clip. There
are three guarantees, from the least to the most that a party observes:

- one release of the row's gradient;
- all releases of it, one in each epoch. A row is in one batch of every epoch,
  so subsampling amplifies nothing;
- everything. The label also reaches the gradients of other rows through the
  weights of the top, which train on it without noise. Any row of any step may
  then change, each by at most twice the clip.

The first two take the top's weights as given. Where the top normalises by
batch, the rows of a batch depend directly on each other's labels, and a
release is a release of the whole batch.
"""

from collections.abc import Callable, Sequence
import functools
import math

from vfl_jax.defenses import base

LARGEST_DELTA = 1e-5

Rule = Callable[[base.Releases], Sequence[base.Guarantee]]


def gaussian(scale: float, clip: float) -> Rule:
  """The guarantees of Gaussian noise on clipped rows.

  Args:
    scale: standard deviation of the noise.
    clip: largest L2 norm of a row.
  """

  def epsilon(releases, changed, delta):
    import dp_accounting

    # compositions of Gaussians are one Gaussian: deviations add in squares
    moved = 2 * clip * math.sqrt(changed * releases)
    return dp_accounting.get_epsilon_gaussian(scale / moved, delta), delta

  return functools.partial(_readings, epsilon, "L2")


def laplace(scale: float, clip: float) -> Rule:
  """The guarantees of Laplace noise on clipped rows.

  Args:
    scale: scale of the noise.
    clip: largest L1 norm of a row.
  """

  def epsilon(releases, changed, delta):
    return _composed(2 * clip * changed / scale, releases, delta)

  return functools.partial(_readings, epsilon, "L1")


def exact(epsilon: float) -> Rule:
  """The guarantee of labels that are replaced once, before any computation.

  Args:
    epsilon: epsilon of the replacement.
  """

  def rule(about):
    if about.before:
      return [_spoilt(f"{', '.join(about.before)} has seen the true labels")]
    return [
      base.Guarantee(
        "one training label, against everything all parties ever get", epsilon
      )
    ]

  return rule


def noisy_labels(epsilon: float) -> Rule:
  """The guarantees of gradients under one-hot labels with Laplace noise.

  The noise is drawn for each release. The gradients follow from the noisy
  labels and the top's weights. Batch normalisation therefore does no harm, but
  nothing is proved about what the weights reveal.

  Args:
    epsilon: epsilon of one release.
  """

  def rule(about):
    if about.mixed or about.after:
      return [_spoilt("another defence acts on the gradients or on rows")]
    if about.before:  # one label is then in the targets of other rows too
      return [_spoilt(f"{', '.join(about.before)} has read all labels before")]
    given = "the top's weights given"
    return [
      base.Guarantee(
        f"one label, by one release of its batch; {given}", epsilon
      ),
      base.Guarantee(
        f"one label, by {about.epochs} releases of its batch; {given}",
        *_composed(epsilon, about.epochs, delta(about.rows)),
      ),
    ]

  return rule


def _spoilt(reason: str) -> base.Guarantee:
  return base.Guarantee(f"no formal guarantee here: {reason}", math.nan)


def delta(rows: int) -> float:
  """A delta at which a table loses at most 0.1 labels in expectation.

  >>> delta(1000), delta(1_000_000)
  (1e-05, 1e-07)
  """
  return min(LARGEST_DELTA, 1 / (10 * rows))


def _composed(epsilon, releases, delta):
  """Composition of Laplace mechanisms: the better of two bounds."""
  try:
    import dp_accounting
  except ImportError:
    return epsilon * releases, 0.0
  accountant = dp_accounting.rdp.RdpAccountant()
  accountant.compose(dp_accounting.LaplaceDpEvent(1 / epsilon), releases)
  composed = float(accountant.get_epsilon(delta))
  pure = epsilon * releases
  return (composed, delta) if composed < pure else (pure, 0.0)


def _readings(epsilon, norm, about: base.Releases):
  """The three guarantees, or the reason why they are not computed."""
  try:
    import dp_accounting  # noqa: F401
  except ImportError:
    return [
      base.Guarantee(
        "not computed: pip install -e '.[dp]' for the accounting", math.nan
      )
    ]
  if about.after:
    names = ", ".join(about.after)
    return [_spoilt(f"{names} reads labels after the noise; put it before")]
  coupled = about.normalised or about.mixed
  changed = about.batch_size if coupled else 1
  of = "the gradients of its batch" if coupled else "its gradient"
  given = f"to one party, the top's weights given, {norm} clip per row"
  readings = [
    (f"one label, by one release of {of}; {given}", 1, changed),
    (
      f"one label, by {about.epochs} releases of {of}; {given}",
      about.epochs,
      changed,
    ),
    (
      f"one label, by everything one party gets in {about.steps} steps",
      about.steps,
      about.batch_size,
    ),
  ]
  if about.before:  # one label is then in the targets of other rows too
    readings = readings[-1:]
  guarantees = []
  for scope, releases, rows in readings:
    value, failure = epsilon(releases, rows, delta(about.rows))
    guarantees.append(base.Guarantee(scope, float(value), failure))
  return guarantees
