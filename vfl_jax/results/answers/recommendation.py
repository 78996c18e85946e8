"""Which option of an audit to take, and the reasons for and against it.

The choice uses validation rows and training rows. The caller reports the chosen
option by its test rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vfl_jax.results.answers import evidence as answer_evidence

PROTECT = ("labels", "features", "both")
MARGIN = 0.02  # protection that is worse by at most this counts as equal


class Recommendation(NamedTuple):
  """An answer in words, with the reasons to doubt it.

  Attributes:
    chosen: name of the option; "" if none can be recommended.
    reasons: sentences on how it was chosen, or why none was.
    doubts: sentences on why the evidence may not support it.
    feasible: names of the options that satisfy the constraints.
    front: names of the options on the Pareto front of utility, leakage and
      exposure.
    misses: for each option by name, the constraints that it violates.
  """

  chosen: str
  reasons: tuple[str, ...]
  doubts: tuple[str, ...] = ()
  feasible: tuple[str, ...] = ()
  front: tuple[str, ...] = ()
  misses: Mapping[str, Sequence[str]] = {}


def recommend(
  options: Sequence[answer_evidence.Option],
  reference: str,
  constraints: answer_evidence.Constraints,
  evidence: answer_evidence.Evidence,
) -> Recommendation:
  """The option that protects best among those that satisfy the constraints.

  An option replaces the reference only if it protects significantly better: the
  whole paired 95 % interval over seeds is on its side. Among such options, one
  ties with the best if the interval of their difference shows that it is worse
  by at most `MARGIN`. Ties are decided by the exposure of the other side, then
  by utility, then by traffic.

  Args:
    options: all options that were measured.
    reference: name of the option that the others are compared with.
    constraints: what an option must satisfy, and whose privacy to protect.
    evidence: validation rows, and the score of guessing on them.

  Raises:
    ValueError: the reference is none of the options, or the side to protect
      is unknown.
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
  nothing = Recommendation(
    "",
    (),
    feasible=tuple(o.name for o in feasible),
    front=front([o for o in options if not o.lacks]),
    misses=misses,
  )
  reasons = answer_evidence.thin(base, constraints, evidence)
  if not reasons and not feasible:
    nearest = min(options, key=lambda o: len(misses[o.name]))
    reasons = (
      "No option keeps to all constraints.",
      f"The nearest is {nearest.name}: {'; '.join(misses[nearest.name])}.",
    )
  if reasons:
    return nothing._replace(reasons=reasons)
  chosen, why = _chosen(feasible, base, constraints)
  count = f"{len(feasible)} of {len(options)} options keep to the constraints."
  return nothing._replace(
    chosen=chosen.name,
    reasons=(count, *why),
    doubts=answer_evidence.doubts(chosen, base, constraints, evidence),
  )


def _chosen(
  feasible, base, constraints
) -> tuple[answer_evidence.Option, list[str]]:
  risk, side = _risk(constraints.protect), _SIDES[constraints.protect]
  candidates = feasible
  if base in feasible:
    candidates = [
      o for o in feasible if answer_evidence.gap(risk(o), risk(base))[2] < 0
    ]
    if not candidates:
      return base, [
        f"None of the others is shown to have less of {side} than {base.name}: "
        "there is no reason to leave what is usual."
      ]
  best = min(candidates, key=lambda o: float(risk(o).mean()))
  tied = [
    o
    for o in candidates
    if o is best or answer_evidence.gap(risk(o), risk(best))[2] <= MARGIN
  ]
  other = (
    answer_evidence.exposure
    if constraints.protect != "features"
    else answer_evidence.leak
  )
  chosen = min(
    tied,
    key=lambda o: (
      _rounded(float(other(o).mean())),
      -float(np.mean(o.utilities)),
      o.traffic,
    ),
  )
  reasons = []
  if len(tied) > 1:
    reasons.append(
      f"{len(tied)} options are shown to protect as well as the best, within "
      f"{MARGIN}; of these it is the best in what comes second."
    )
  if base not in feasible:
    reasons.append(f"The usual one, {base.name}, does not keep to them.")
  if chosen is not base:
    mean, low, high = answer_evidence.gap(risk(chosen), risk(base))
    reasons.append(
      f"Against {base.name} it changes {side} by {mean:+.3f} [{low:+.3f}, "
      f"{high:+.3f}] and the main task on validation rows by "
      f"{float(np.mean(chosen.utilities - base.utilities)):+.3f}."
    )
  return chosen, reasons


def front(options: Sequence[answer_evidence.Option]) -> tuple[str, ...]:
  """Names of the options on the Pareto front of utility, leakage and exposure.

  Another option beats one that is no better in any of the three and worse in at
  least one. Features whose exposure was not measured count as exposed.
  """
  points = np.array(
    [
      (
        -np.mean(o.utilities),
        np.mean(answer_evidence.leak(o)),
        np.nan_to_num(np.mean(answer_evidence.exposure(o)), nan=1.0),
      )
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


_SIDES = {
  "labels": "the leakage of labels",
  "features": "the exposure of features",
  "both": "the larger of leakage and exposure",
}


def _risk(protect: str) -> Callable[[answer_evidence.Option], np.ndarray]:
  if protect == "labels":
    return answer_evidence.leak
  if protect == "features":
    return answer_evidence.exposure
  return lambda option: np.maximum(
    answer_evidence.leak(option), answer_evidence.exposure(option)
  )


def _rounded(value: float) -> float:
  """The value in steps of `MARGIN`, so that less is a tie; NaN sorts last."""
  return round(value / MARGIN) if value == value else float("inf")


def _misses(option, base, constraints) -> list[str]:
  """The constraints that an option violates, in words."""
  if option.lacks:
    return [option.lacks]
  violations = []
  if len(option.utilities) == len(base.utilities):
    loss = float(np.mean(base.utilities - option.utilities))
    if loss > constraints.utility_loss:
      violations.append(
        f"the main task loses {loss:.3f}, more than {constraints.utility_loss}"
      )
  exposed = float(np.mean(option.exposures))
  asked = constraints.exposed is not None or constraints.protect != "labels"
  if asked and exposed != exposed:
    violations.append("what it exposes of features was not measured")
  for value, most, what in (
    (
      float(np.mean(answer_evidence.leak(option))),
      constraints.leakage,
      "of the labels leaks",
    ),
    (exposed, constraints.exposed, "of the features is exposed"),
  ):
    if most is not None and value > most:
      violations.append(f"a share of {value:.3f} {what}, more than {most}")
  if constraints.traffic is not None and option.traffic > constraints.traffic:
    violations.append(
      f"{option.traffic} bytes a sample, more than {constraints.traffic}"
    )
  return violations
