"""Which option to take, and why: a choice that has to be defended.

Choices are made on validation rows and training rows; what is reported of the
option chosen is read from test rows by who asks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vfl_jax import evaluate

PROTECT = ("labels", "features", "both")
SEEDS = 3  # fewer say nothing about chance
WIDE = 0.1  # of the interval of a leakage advantage
ALIKE = 0.01  # shares of exposed features that are not told apart


class Option(NamedTuple):
  """One way to build the federation, as it was measured.

  Attributes:
    name: as people call it.
    utilities: of the main task by seed, validation rows; higher is better.
    leakages: largest leakage advantage by seed, training rows.
    exposed: share of the parties' features that the active party rebuilds.
    traffic: bytes a sample on the wire, both ways.
  """

  name: str
  utilities: np.ndarray
  leakages: np.ndarray
  exposed: float
  traffic: int


class Constraints(NamedTuple):
  """What an option must keep to.

  Attributes:
    protect: whose privacy is made as large as can be: that of the active
      party's "labels", of the passive parties' "features", or of the worse off
      of "both".
    utility_loss: most that the main task may lose to the reference.
    leakage: largest leakage advantage; None for any.
    exposed: largest share of features exposed; None for any.
    traffic: most bytes a sample; None for any.
  """

  protect: str = "labels"
  utility_loss: float = 0.01
  leakage: float | None = None
  exposed: float | None = None
  traffic: int | None = None


class Recommendation(NamedTuple):
  """An answer in words, with what speaks against it.

  Attributes:
    chosen: name of the option; "" where none can be recommended.
    reasons: sentences on how it was chosen, or why none was.
    doubts: sentences on why the evidence may not bear it.
    feasible: names of the options that keep to the constraints.
    front: names of those that no other beats in utility, leakage and exposure.
    misses: by name, what of the constraints an option does not keep to.
  """

  chosen: str
  reasons: tuple[str, ...]
  doubts: tuple[str, ...]
  feasible: tuple[str, ...]
  front: tuple[str, ...]
  misses: Mapping[str, Sequence[str]] = {}


def recommend(
  options: Sequence[Option], reference: str, constraints: Constraints
) -> Recommendation:
  """The option that protects best among those that keep to the constraints.

  Options whose protection is not told apart from the best (by the paired 95 %
  interval over seeds) tie; ties go to what exposes the other side less, then
  to utility, then to traffic. Nothing but the reference is recommended unless
  it is told apart from it.

  Args:
    options: all that were measured, with as many seeds each.
    reference: name of the one that everything is held against.
    constraints: see there.

  Raises:
    ValueError: no options, a reference that is none of them, or an unknown
      side to protect.
  """
  by_name = {o.name: o for o in options}
  if reference not in by_name:
    raise ValueError(
      f"the reference {reference!r} is none of the options: {list(by_name)}."
    )
  if constraints.protect not in PROTECT:
    raise ValueError(
      f"protect is {constraints.protect!r}; take one of {', '.join(PROTECT)}."
    )
  base = by_name[reference]
  misses = {o.name: _misses(o, base, constraints) for o in options}
  feasible = [o for o in options if not misses[o.name]]
  names = tuple(o.name for o in feasible)
  shown = front(options)
  seeds = min(len(o.utilities) for o in options)
  if seeds < SEEDS:
    return Recommendation(
      "",
      (
        f"With {seeds} seed{'s' * (seeds > 1)} nothing is told apart from "
        f"chance: take at least {SEEDS}.",
      ),
      (),
      names,
      shown,
      misses,
    )
  if not feasible:
    nearest = min(options, key=lambda o: len(misses[o.name]))
    return Recommendation(
      "",
      (
        "No option keeps to all constraints.",
        f"The nearest is {nearest.name}: {'; '.join(misses[nearest.name])}.",
      ),
      (),
      names,
      shown,
      misses,
    )
  risk = _risk(constraints.protect)
  best = min(feasible, key=lambda o: float(risk(o).mean()))
  tied = [o for o in feasible if _alike(risk(o), risk(best))]
  other = (lambda o: leak(o)) if constraints.protect == "features" else exposed
  chosen = min(
    tied,
    key=lambda o: (
      round(float(other(o).mean()) / ALIKE),
      -float(np.mean(o.utilities)),
      o.traffic,
    ),
  )
  reasons = [
    f"{len(feasible)} of {len(options)} options keep to the constraints"
    + (f"; {len(tied)} of them protect alike" if len(tied) > 1 else "")
    + "."
  ]
  if (
    chosen is not base and base in feasible and _alike(risk(chosen), risk(base))
  ):
    reasons.append(
      f"{chosen.name} is not told apart from {base.name}: there is no reason "
      "to leave what is usual."
    )
    chosen = base
  elif chosen is not base:
    mean, low, high = evaluate.interval((risk(chosen) - risk(base)).tolist())
    reasons.append(
      f"Against {base.name} it changes {_side(constraints.protect)} by "
      f"{mean:+.3f} [{low:+.3f}, {high:+.3f}] and the main task by "
      f"{float(np.mean(chosen.utilities - base.utilities)):+.3f}."
    )
  return Recommendation(
    chosen.name,
    tuple(reasons),
    _doubts(chosen, base, seeds, constraints),
    names,
    shown,
    misses,
  )


def leak(option: Option) -> np.ndarray:
  """Leakage by seed; below zero an attacker does without the federation."""
  return np.maximum(option.leakages, 0.0)


def exposed(option: Option) -> np.ndarray:
  """The share exposed, alike for all seeds."""
  return np.full(len(option.utilities), option.exposed)


def front(options: Sequence[Option]) -> tuple[str, ...]:
  """Names of those that no other beats in one of three and equals in two."""
  points = np.array(
    [
      (-np.mean(o.utilities), max(np.mean(o.leakages), 0.0), o.exposed)
      for o in options
    ]
  )
  kept = []
  for option, point in zip(options, points, strict=True):
    no_worse = (points <= point).all(1)
    better = (points < point).any(1)
    if not (no_worse & better).any():
      kept.append(option.name)
  return tuple(kept)


def _risk(protect: str) -> Callable[[Option], np.ndarray]:
  if protect == "labels":
    return leak
  if protect == "features":
    return exposed
  return lambda option: np.maximum(leak(option), exposed(option))


def _side(protect: str) -> str:
  return {
    "labels": "the leakage of labels",
    "features": "the exposure of features",
    "both": "the larger of leakage and exposure",
  }[protect]


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
  """Whether paired differences are not told apart from none."""
  gap = one - other
  if np.ptp(gap) < 1e-12:
    return bool(abs(gap[0]) < ALIKE)
  _, low, high = evaluate.interval(gap.tolist())
  return low <= 0 <= high


def _misses(option, base, constraints) -> list[str]:
  """What of the constraints an option does not keep to."""
  found = []
  loss = float(np.mean(base.utilities - option.utilities))
  if loss > constraints.utility_loss:
    found.append(
      f"the main task loses {loss:.3f}, more than {constraints.utility_loss}"
    )
  leakage = float(np.mean(option.leakages))
  for value, most, what in (
    (leakage, constraints.leakage, "the leakage advantage is"),
    (option.exposed, constraints.exposed, "the share of exposed features is"),
  ):
    if most is not None and value > most:
      found.append(f"{what} {value:.3f}, more than {most}")
  if constraints.traffic is not None and option.traffic > constraints.traffic:
    found.append(
      f"{option.traffic} bytes a sample, more than {constraints.traffic}"
    )
  return found


def _doubts(option, base, seeds, constraints) -> tuple[str, ...]:
  found = []
  _, _, loss = evaluate.interval((base.utilities - option.utilities).tolist())
  if loss > constraints.utility_loss:
    found.append(
      f"its loss on the main task may be as large as {loss:.3f}, more than the "
      f"{constraints.utility_loss} allowed"
    )
  _, low, high = evaluate.interval(option.leakages.tolist())
  if high - low > WIDE:
    found.append(
      f"its leakage advantage lies between {low:+.3f} and {high:+.3f}: more "
      f"seeds than {seeds} or more auxiliary draws would tell more"
    )
  if high > 0.02 and low <= 0:
    found.append(
      "it is not shown to leak nothing: the interval reaches beyond two points"
    )
  return tuple(found)
