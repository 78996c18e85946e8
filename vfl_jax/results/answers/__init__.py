"""Answers to the questions of studies, from the joined tables of their cells.

A reading writes one or more tables of results, and the table "findings":
sentences (column text) and the numbers that support them (column detail).
"""

from vfl_jax.results.answers import alignment
from vfl_jax.results.answers import compensation
from vfl_jax.results.answers import cuts
from vfl_jax.results.answers import information
from vfl_jax.results.answers import reassignment
from vfl_jax.results.answers import tradeoff

READINGS = {
  "tradeoff": tradeoff.read,
  "alignment": alignment.read,
  "reassignment": reassignment.read,
  "cuts": cuts.read,
  "information": information.read,
  "compensation": compensation.read,
}
