"""Information of a federation's layers about labels and inputs, in nats."""

from collections.abc import Callable
import functools
import itertools
from typing import Any

import jax
import numpy as np

from vfl_jax.config import entries
from vfl_jax.evaluation import samples
from vfl_jax.federation import train
from vfl_jax.federation import views
from vfl_jax.information import estimate
from vfl_jax.information import input_information
from vfl_jax.information import preparation
from vfl_jax.information import probe
from vfl_jax.results import intervals
from vfl_jax.runtime import axes
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees


def impossible(config: Any, f: views.Federation) -> str:
  """Why the held-out samples allow no estimate; empty if they do.

  Args:
    config: the experiment's config.
    f: the trained federation.
  """
  _, labels = samples.held_out(f, config.information.samples, f.keys[0])
  return estimate.too_few(labels)


def measure(
  config: Any, f: views.Federation, advance: Callable[[str], None]
) -> list[dict[str, Any]]:
  """Estimates information at every layer, on rows trained on and held out.

  After training every estimator is used; after each epoch of
  `information.epochs` only the first one.

  Args:
    config: the experiment's config.
    f: the trained federation.
    advance: function called with a few words before each piece of work.

  Returns:
    Tidy rows with the columns quantity ("I(T;Y)", "I(X;T)"), samples, epoch,
    cut, and those of `probe.probe`.
  """
  options = config.information
  estimators = entries.labelled(options.estimators)
  held = samples.held_out(f, options.samples, f.keys[0])
  # equally many of both, so that the two curves do not differ by n
  trained = samples.trained_on(f, len(held[1]), f.keys[0])
  last, rows = config.train.epochs, []
  on_host = functools.partial(jax.tree.map, np.asarray)
  stages = [(last, on_host(f.variables), estimators)]
  stages += [
    (int(epoch), on_host(f.kept["snapshots"][epoch]), estimators[:1])
    for epoch in sorted(f.kept["snapshots"], key=int)
    if int(epoch) != last
  ]
  work = itertools.product(
    stages, (("trained on", *trained), ("held out", *held))
  )
  for (epoch, variables, chosen), (which, inputs, labels) in work:
    advance(f"{len(labels)} samples {which}, epoch {epoch}")
    seeds = (  # a generator, so that only one seed's layers are in memory
      _places(f, trees.take(variables, seed), inputs)
      for seed in range(len(f.keys))
    )
    estimates = probe.probe(
      rng.stream(f.keys[0], "information"),
      seeds,
      labels,
      estimators=chosen,
      width=options.width,
      groups=_copies(f, inputs, labels),
      steps=options.steps,
      batch=options.batch,
      folds=options.folds,
    )
    rows += [
      {
        "quantity": "I(T;Y)",
        "samples": which,
        "epoch": epoch,
        "cut": f.net.cut,
        **row,
      }
      for row in estimates
    ]
    if options.noise and epoch == last and which == "held out":
      rows += _input_information(config, f, inputs)
  return rows


def _copies(f, inputs, labels):
  """Rows whose features of all parties are those of another row."""
  vectors = [
    np.asarray(trees.vectors(x, height))
    for x, height in zip(inputs, f.dataset.vocabulary, strict=True)
  ]
  return preparation.copies(vectors, labels)


def _input_information(config, f, inputs):
  """I(X;T) of every layer with added noise, as rows of the same table."""
  rows = []
  all_variables = jax.tree.map(np.asarray, f.variables)
  for seed in range(len(f.keys)):
    variables = trees.take(all_variables, seed)
    for place, vectors in _places(f, variables, inputs):
      if place.form != "flat":
        continue
      nats, error = input_information.input_information(
        rng.stream(f.keys[seed], "noise"),
        np.asarray(vectors),
        config.information.noise,
      )
      rows.append(
        {
          "quantity": "I(X;T)",
          "samples": "held out",
          "epoch": config.train.epochs,
          "cut": f.net.cut,
          "seed": seed,
          **place._asdict(),
          "width": vectors.shape[1],
          "estimator": "noise",
          "nats": nats,
          "interval": intervals.NORMAL * error,
          "floor": 0.0,
          "ceiling": float(np.log(len(vectors))),
          "n": len(vectors),
        }
      )
  return rows


def _places(f: views.Federation, variables, inputs):
  """`(place, vectors)` of every layer of one seed, on an accelerator if any."""
  bottoms, top = _activations(
    f.net, f.dataset.vocabulary, variables, tuple(inputs)
  )
  if jax.default_backend() == "cpu":
    bottoms, top = jax.tree.map(np.asarray, (bottoms, top))
  names = [s.name for s in f.net.model.stages]
  return probe.places(bottoms, top, names)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _activations(net, heights, variables, inputs):
  """Vectors of every layer by form ("flat", "pooled"), per party and merged."""

  def forms(layer, height, raw=False):
    pooled = None if raw else trees.pooled(layer)
    flat = {"flat": trees.vectors(layer, height)}
    return flat if pooled is None else {**flat, "pooled": pooled}

  def block(x):
    bottoms, top = net.activations(variables, x)
    return (
      tuple(
        tuple(forms(layer, heights[k], not i) for i, layer in enumerate(layers))
        for k, layers in enumerate(bottoms)
      ),
      tuple(forms(layer, sum(heights)) for layer in top),
    )

  return axes.chunked(block, inputs, train.EVALUATION_ROWS)
