"""Measures how much of the parties' features the active party can rebuild."""

from collections.abc import Callable, Mapping, Sequence
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.federation import views
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

KNOWN = 1000  # largest number of rows whose features the active party knows
SIMILAR = 500  # number of images whose structural similarity is computed


def measure(
  f: views.Federation,
  attacks: Mapping[str, base.Attack],
  asked: Sequence[str] = ("test",),
  advance: Callable[[str], None] = lambda what: None,
) -> list[dict[str, Any]]:
  """Scores the rebuilding of every passive party's features from embeddings.

  The active party knows the features of validation rows; the control guesses
  their mean. If scores on validation rows are asked for, as a criterion of
  choice, it knows every second of them and rebuilds the others.

  Args:
    f: the trained federation.
    attacks: attacks on features, by label.
    asked: "test" rows, "validation" rows, or both.
    advance: function called with a few words before each piece of work.

  Returns:
    Tidy rows with the columns attack, what (attack, mean), party, seed, rows,
    metric ("unexplained": squared error over that of the mean; for images also
    "mse", "psnr" in dB by the range of the known features, and "ssim" of the
    first 500), value, n.
  """
  return [
    row
    for party in range(f.passive)
    for where in asked
    for row in _of_party(f, attacks, party, where, advance)
  ]


def _of_party(f, attacks, party, where, advance) -> list[dict[str, Any]]:
  rows = []
  height = f.dataset.vocabulary[party]
  known_inputs, hidden = (
    jax.tree.map(jnp.asarray, examples.inputs[party])
    for examples in (f.dataset.validation, f.dataset.test)
  )
  if where == "validation":
    known_inputs, hidden = (
      trees.take(known_inputs, slice(start, None, 2)) for start in (0, 1)
    )
  known_inputs = trees.take(known_inputs, slice(0, KNOWN))
  x, truth = (
    np.asarray(trees.vectors(x, height)) for x in (known_inputs, hidden)
  )
  shape = np.shape(hidden) if np.ndim(hidden) == 4 else None
  for (name, attack), seed in (
    (pair, seed) for pair in attacks.items() for seed in range(len(f.keys))
  ):
    advance(f"party {party}: {name}")
    variables = trees.take(f.variables["bottoms"][party], seed)
    received = base.Received(
      embeddings=_sent(f, variables, hidden, height),
      known_embeddings=_sent(f, variables, known_inputs, height),
      known_features=x,
    )
    key = rng.stream(f.keys[seed], name, party)
    rebuilt = np.asarray(jax.jit(attack.infer)(key, received).test)
    mean = np.broadcast_to(x.mean(0), truth.shape)
    for what, guess in (("attack", rebuilt), ("mean", mean)):
      rows += [
        {
          "attack": name,
          "what": what,
          "party": party,
          "seed": seed,
          "rows": where,
          "metric": metric,
          "value": value,
          "n": len(truth),
        }
        for metric, value in scores(guess, truth, x, shape).items()
      ]
  return rows


def scores(
  guess: np.ndarray,
  truth: np.ndarray,
  known: np.ndarray,
  shape: tuple[int, ...] | None = None,
) -> dict[str, float]:
  """Scores how close reconstructions are to the features.

  Args:
    guess: reconstructed features, `[n, d]`.
    truth: true features, `[n, d]`.
    known: known features, `[m, d]`, whose mean and range are used.
    shape: `(n, height, width, channels)` of images; None for other features.

  Returns:
    Scores by metric, see `measure`.
  """
  error = np.mean((guess - truth) ** 2)
  values = {
    "unexplained": float(error / np.mean((known.mean(0) - truth) ** 2)),
  }
  if shape is None:
    return values
  from skimage import metrics

  spread = float(known.max() - known.min())
  window = min(7, *(side - 1 + side % 2 for side in shape[1:3]))
  values["mse"] = float(error)
  values["psnr"] = float(10 * np.log10(spread**2 / max(error, 1e-12)))
  if window >= 3:
    values["ssim"] = float(
      np.mean(
        [
          metrics.structural_similarity(
            a, b, win_size=window, data_range=spread, channel_axis=2
          )
          for a, b in zip(
            guess.reshape(shape)[:SIMILAR].astype(np.float64),
            truth.reshape(shape)[:SIMILAR].astype(np.float64),
            strict=True,
          )
        ]
      )
    )
  return values


def _sent(f, variables, x, height):
  """What a party sends, as vectors; ids that it sends raw are counted."""
  return _encoded(f.net.bottom, height if not f.net.cut else 0, variables, x)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _encoded(bottom, height, variables, x):
  return axes.chunked(
    lambda x: trees.vectors(bottom(variables, x)[0], height), x, 500
  )
