"""The Defense Capability Score of VFLAIR, from the same scores as ours.

It measures the distance of (attack, main task) from an ideal defence, under
which the attack guesses and the main task is that of no defence. It asks for
no control: an attack that scores what a party's own features allow counts
against the defence. See docs/evaluation.md.

Source: Zou et al., "VFLAIR: A Research Library and Benchmark for Vertical
Federated Learning", ICLR 2024.
"""

from collections.abc import Callable

import pandas as pd

BETA = 0.5  # weight of the main task


def score(attack: float, guess: float, utility: float, usual: float) -> float:
  """The score of a defence against one attack, in (0, 1]; 1 is ideal.

  Args:
    attack: score of the attack.
    guess: score of guessing by the class shares.
    utility: score of the main task under the defence.
    usual: score of the main task without one.

  >>> score(0.1, 0.1, 0.9, 0.9)
  1.0
  """
  distance = (1 - BETA) * (attack - guess) ** 2 + BETA * (utility - usual) ** 2
  return 1 / (1 + distance**0.5)


def by_type(
  scores: pd.DataFrame,
  utility: float,
  usual: float,
  family: Callable[[str], str],
) -> dict[str, float]:
  """T-DCS of each type of attack, and C-DCS with equal weights.

  Args:
    scores: scores of attacks and of guessing ("prior") in one cell, one metric
      and kind of rows. An attack is that of the party it serves best.
    utility: score of the main task in the cell.
    usual: score of the main task without a defence.
    family: `family(rule)`, the type of an attack.

  Returns:
    The scores by type, and "all": the mean over types. NaN where nothing is
    known.
  """
  means = scores.groupby(["rule", "attack", "party", "what"])["value"].mean()
  table = means.unstack("what")
  if not {"attack", "prior"} <= set(table) or usual != usual:
    return {"all": float("nan")}
  table = table.dropna(subset=["attack", "prior"])
  worst: dict[tuple[str, str], float] = {}
  guesses = table.rename(columns={"attack": "found"}).reset_index()
  for row in guesses.to_dict("records"):
    here = score(row["found"], row["prior"], utility, usual)
    key = family(row["rule"]), row["attack"]
    worst[key] = min(here, worst.get(key, 1.0))
  if not worst:
    return {"all": float("nan")}
  types = pd.Series(worst).groupby(level=0).mean()
  named = {str(name): float(value) for name, value in types.items()}
  return {**named, "all": float(types.mean())}
