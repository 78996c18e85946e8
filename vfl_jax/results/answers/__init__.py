"""What studies ask: from the collected tables of their cells to answers.

A reading writes a table named as its question, and "findings": sentences
(text) and the numbers they rest on (detail).
"""

from vfl_jax.results.answers import compensation
from vfl_jax.results.answers import cuts
from vfl_jax.results.answers import information
from vfl_jax.results.answers import reassignment
from vfl_jax.results.answers import tradeoff

READINGS = {
  "tradeoff": tradeoff.read,
  "reassignment": reassignment.read,
  "cuts": cuts.read,
  "information": information.read,
  "compensation": compensation.read,
}
