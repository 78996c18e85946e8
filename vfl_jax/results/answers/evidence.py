"""What an option was measured by, and whether that bears a recommendation."""

from typing import NamedTuple

import numpy as np

from vfl_jax.results import intervals

SEEDS = 3  # fewer say nothing about chance
WIDE = 0.1  # of the interval of what leaks
SMALL = 0.02  # leaks that nobody minds
COARSE = 5  # times the loss allowed: rows that know a share no better are few


class Option(NamedTuple):
  """One way to build the federation, as it was measured.

  Attributes:
    name: as people call it.
    utilities: of the main task by seed, validation rows; higher is better.
    leakages: by seed, training rows: what the strongest attack gets of what
      guessing leaves of the labels, beyond its strongest control.
    exposures: by seed, validation rows: the share that the active party
      rebuilds of the features of the passive party worst off; NaN where nobody
      tried.
    traffic: bytes a sample on the wire, both ways.
    lacks: why it cannot be compared, "" where it can.
  """

  name: str
  utilities: np.ndarray
  leakages: np.ndarray
  exposures: np.ndarray
  traffic: int
  lacks: str = ""


class Constraints(NamedTuple):
  """What an option must keep to.

  Attributes:
    protect: whose privacy is made as large as can be: that of the active
      party's "labels", of the passive parties' "features", or of the worse off
      of "both".
    utility_loss: most that the main task may lose to the reference.
    leakage: most of the labels that may leak; None for any.
    exposed: largest share of features exposed; None for any.
    traffic: most bytes a sample; None for any.
  """

  protect: str = "labels"
  utility_loss: float = 0.01
  leakage: float | None = None
  exposed: float | None = None
  traffic: int | None = None


class Evidence(NamedTuple):
  """What the options were measured by.

  Attributes:
    rows: validation rows.
    guess: score of the best guess on them.
  """

  rows: int
  guess: float


def leak(option: Option) -> np.ndarray:
  """Leakage by seed; below zero an attacker does without the federation."""
  return np.maximum(option.leakages, 0.0)


def exposure(option: Option) -> np.ndarray:
  """What is rebuilt by seed; below zero the features' mean tells more."""
  return np.maximum(option.exposures, 0.0)


def gap(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
  """The paired difference with its interval over seeds."""
  return intervals.interval((one - other).tolist())


def thin(base, constraints, evidence) -> tuple[str, ...]:
  """Why nothing can be recommended from such evidence, if so."""
  if base.lacks:
    return (
      f"The reference, {base.name}, cannot be compared ({base.lacks}): there "
      "is nothing to hold the others against.",
    )
  seeds = len(base.utilities)
  if seeds < SEEDS:
    return (
      f"With {seeds} seed{'s' * (seeds > 1)} nothing is told apart from "
      f"chance: take at least {SEEDS}.",
    )
  mean, low, _ = intervals.interval(base.utilities.tolist())
  if low <= evidence.guess:
    return (
      f"The reference, {base.name}, has not learned the task: {mean:.3f} on "
      f"validation rows, {evidence.guess:.3f} by guessing. Train it longer, or "
      "judge it by evaluate.metric='auc' or 'balanced_accuracy' where classes "
      "are uneven.",
    )
  error = _row_error(mean, evidence.rows)
  if error > COARSE * constraints.utility_loss:
    return (
      f"{evidence.rows} validation rows know the main task to {error:.3f} "
      f"only, where a loss of {constraints.utility_loss} is to be seen: give "
      "more of them (data.validation), or allow more (audit.max_utility_loss).",
    )
  return ()


def _row_error(score: float, rows: int) -> float:
  """Half the 95 % interval of a share of so many rows."""
  return intervals.NORMAL * float(
    np.sqrt(max(score * (1 - score), 0.0) / max(rows, 1))
  )


def doubts(option, base, constraints, evidence) -> tuple[str, ...]:
  reasons: list[str] = []
  _, _, loss = gap(base.utilities, option.utilities)
  if loss > constraints.utility_loss:
    reasons.append(
      f"its loss on the main task may be as large as {loss:.3f}, more than the "
      f"{constraints.utility_loss} allowed"
    )
  error = _row_error(float(np.mean(base.utilities)), evidence.rows)
  if error > constraints.utility_loss:
    reasons.append(
      f"{evidence.rows} validation rows know the main task to {error:.3f} "
      "only, and all seeds share them"
    )
  _, low, high = intervals.interval(option.leakages.tolist())
  if constraints.leakage is not None and high > constraints.leakage:
    reasons.append(
      f"what leaks of the labels may be as much as {high:.3f}, more than the "
      f"{constraints.leakage} allowed"
    )
  if low > SMALL:
    reasons.append(
      f"it does not keep the labels: at least {low:.0%} of what guessing "
      "leaves of them leaks; try defences (audit.defenses)"
    )
  if high - low > WIDE:
    reasons.append(
      f"what leaks of the labels lies between {low:+.3f} and {high:+.3f}: more "
      f"seeds than {len(option.leakages)} or more auxiliary draws would tell "
      "more"
    )
  if high > SMALL and low <= 0:
    reasons.append(
      "it is not shown to leak nothing: the interval reaches beyond two points"
    )
  return tuple(reasons)
