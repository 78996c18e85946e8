"""Measurements of options, and whether they support a recommendation."""

from typing import NamedTuple

import numpy as np

from vfl_jax.results import intervals

SEEDS = 3  # the least number that shows how much results vary by chance
WIDE = 0.1  # width from which the interval of the leakage is too wide
SMALL = 0.02  # leakage that is negligible
COARSE = 5  # largest row error, in multiples of the allowed utility loss


class Option(NamedTuple):
  """One way to build the federation, as it was measured.

  Attributes:
    name: name for people.
    utilities: score of the main task on validation rows, shape [seeds]; higher
      is better.
    leakages: advantage of the strongest attack over its strongest control on
      training rows, as a share of what guessing leaves (1 minus the score of
      the prior), shape [seeds].
    exposures: share of the features that the active party rebuilds on
      validation rows, for the passive party where it is largest, shape [seeds];
      NaN if no attack tried.
    traffic: bytes per sample on the wire, both ways.
    lacks: why the option cannot be compared; "" if it can.
  """

  name: str
  utilities: np.ndarray
  leakages: np.ndarray
  exposures: np.ndarray
  traffic: int
  lacks: str = ""


class Constraints(NamedTuple):
  """What an option must satisfy.

  Attributes:
    protect: what to protect best: the active party's "labels", the passive
      parties' "features", or "both" (the one that is less private).
    utility_loss: largest loss of the main task against the reference.
    leakage: largest share of the labels that may leak; None for no limit.
    exposed: largest share of the features that may be rebuilt; None for no
      limit.
    traffic: most bytes per sample; None for no limit.
  """

  protect: str = "labels"
  utility_loss: float = 0.01
  leakage: float | None = None
  exposed: float | None = None
  traffic: int | None = None


class Evidence(NamedTuple):
  """The data that the options were compared on.

  Attributes:
    rows: number of validation rows.
    guess: score of the best guess on them.
  """

  rows: int
  guess: float


def leak(option: Option) -> np.ndarray:
  """Leakage by seed; a negative one (better without a federation) is zero."""
  return np.maximum(option.leakages, 0.0)


def exposure(option: Option) -> np.ndarray:
  """Exposure by seed; a negative one (worse than the mean) is zero."""
  return np.maximum(option.exposures, 0.0)


def gap(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
  """The mean paired difference over seeds, and the ends of its interval."""
  return intervals.interval((one - other).tolist())


def thin(base, constraints, evidence) -> tuple[str, ...]:
  """Sentences on why the evidence supports no recommendation; empty if it does.

  Args:
    base: the reference option.
    constraints: what an option must satisfy.
    evidence: validation rows, and the score of guessing on them.
  """
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
  """Half-width of the 95 % interval of a share, from this number of rows."""
  return intervals.NORMAL * float(
    np.sqrt(max(score * (1 - score), 0.0) / max(rows, 1))
  )


def doubts(option, base, constraints, evidence) -> tuple[str, ...]:
  """Sentences on why the evidence may not support the choice of an option.

  Args:
    option: the chosen option.
    base: the reference option.
    constraints: what an option must satisfy.
    evidence: validation rows, and the score of guessing on them.
  """
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
