"""What is measured on a trained federation: main task, information, leakage."""

import functools
from typing import Any

import jax
import numpy as np

from vfl_jax import attacks as attack_registry
from vfl_jax import config as configs
from vfl_jax import cost
from vfl_jax import evaluate
from vfl_jax import federation as federations
from vfl_jax import mapping
from vfl_jax import nets
from vfl_jax import rng
from vfl_jax import tables
from vfl_jax import train
from vfl_jax.information import probe


def main_task(config: Any, workdir, federation, predict) -> None:
  """Main accuracy (and, for two classes, AUC) on every split, and the cost."""
  if tables.exists(workdir, "main") and tables.exists(workdir, "cost"):
    return
  measures = {"accuracy", "balanced_accuracy", config.evaluate.metric}
  if federation.dataset.num_classes == 2:
    measures.add("auc")
  rows = []
  for name in ("test", "validation", "train"):
    examples = getattr(federation.dataset, name)
    logits = np.asarray(predict(federation.variables, tuple(examples.inputs)))
    for metric in sorted(measures):
      values = [
        evaluate.score(metric, scores, examples.labels) for scores in logits
      ]
      mean, low, high = evaluate.interval(values)
      rows.append(
        {
          "rows": name,
          "metric": metric,
          "mean": mean,
          "low": low,
          "high": high,
          "seeds": len(values),
          "n": len(examples.labels),
          **{f"seed{i}": v for i, v in enumerate(values)},
        }
      )
  tables.write(workdir, "main", rows)
  inputs = tuple(federation.dataset.test.inputs)
  tables.write(
    workdir,
    "cost",
    cost.table(federation.net, inputs, config.train.batch_size),
  )


def information(config: Any, workdir, f: federations.Federation, progress):
  """Information at every layer, on rows trained on and rows held out."""
  estimators = configs.pieces(config.information.estimators)
  progress.phase("information", 2)
  if tables.exists(workdir, "information") or not estimators:
    return
  d = f.dataset
  held = [d.test, d.validation]
  held_labels = np.concatenate([h.labels for h in held])
  # as many of both, so that n is not what tells the two curves apart
  n = min(config.information.samples, len(d.train.labels), len(held_labels))
  if n < 40:
    progress.advance(f"skipped: {n} held-out samples are too few")
    return
  chosen = rng.generator(rng.stream(f.keys[0], "probe"))
  trained = chosen.permutation(len(d.train.labels))[:n]
  rest = chosen.permutation(len(held_labels))[:n]
  samples = {
    "trained on": (
      mapping.take(d.train.inputs, trained),
      d.train.labels[trained],
    ),
    "held out": (
      jax.tree.map(
        lambda *a: np.concatenate(a)[rest], *[h.inputs for h in held]
      ),
      held_labels[rest],
    ),
  }
  rows = []
  for name, (inputs, labels) in samples.items():
    progress.advance(f"{len(labels)} samples {name}")
    found = probe.probe(
      rng.stream(f.keys[0], "information"),
      [_places(f, seed, inputs) for seed in range(len(f.keys))],
      labels,
      estimators=estimators,
      width=config.information.width,
      steps=config.information.steps,
    )
    rows += [{"samples": name, "cut": f.net.cut, **row} for row in found]
  tables.write(workdir, "information", rows)


def leakage(config: Any, workdir, f: federations.Federation, progress):
  """Every attack the config names, beside its controls."""
  names = configs.pieces(config.attacks)
  steps = config.evaluate.attack_steps
  chosen, skipped = {}, {}
  if ("all", {}) in names:
    names = [(name, {}) for name in attack_registry.ATTACKS]
    for name, overrides in list(names):
      attack = attack_registry.build(name, **{"steps": steps, **overrides})
      reason = attack_registry.missing(attack, config)
      if reason:
        skipped[name] = reason
        names.remove((name, overrides))
  for name, overrides in names:
    chosen[name] = attack_registry.build(name, **{"steps": steps, **overrides})
  progress.phase("attack", f.passive * (2 + 2 * len(chosen)))
  tables.set_status(
    workdir,
    "running",
    skipped=skipped,
    budgets={name: a.budget for name, a in chosen.items()},
  )
  if tables.exists(workdir, "leakage") or not chosen:
    return
  rows = evaluate.leakage(
    f,
    chosen,
    aux_per_class=config.evaluate.aux_per_class,
    steps=steps,
    metric=config.evaluate.metric,
    advance=progress.advance,
  )
  tables.write(workdir, "attacks", [{"cut": f.net.cut, **r} for r in rows])
  tables.write(workdir, "leakage", evaluate.advantage(rows))


def _places(f: federations.Federation, seed: int, inputs):
  """Vectors of every layer of one seed."""
  bottoms, top = jax.tree.map(
    np.asarray,
    _activations(
      f.net,
      f.dataset.vocabulary,
      mapping.take(f.variables, seed),
      tuple(inputs),
    ),
  )
  names = [s.name for s in f.net.model.stages]
  return probe.places(bottoms, top, names)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _activations(net, heights, variables, inputs):
  """Vectors of every layer, per party and merged."""

  def block(x):
    bottoms, top = net.activations(variables, x)
    return (
      tuple(
        tuple(nets.vectors(layer, heights[k]) for layer in layers)
        for k, layers in enumerate(bottoms)
      ),
      tuple(nets.vectors(layer, sum(heights)) for layer in top),
    )

  return mapping.chunked(block, inputs, train.EVALUATION_ROWS)
