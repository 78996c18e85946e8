"""What studies ask: from the collected tables of their cells to answers.

A reading writes a table named as its question, and "findings": sentences
(text) and the numbers behind them (detail).
"""

from vfl_jax.questions import compensation
from vfl_jax.questions import cuts
from vfl_jax.questions import information
from vfl_jax.questions import reassignment
from vfl_jax.questions import tradeoff

READINGS = {
  "tradeoff": tradeoff.read,
  "reassignment": reassignment.read,
  "cuts": cuts.read,
  "information": information.read,
  "compensation": compensation.read,
}
