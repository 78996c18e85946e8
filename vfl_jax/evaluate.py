"""Scoring: attacks against controls, over seeds, with the labels sealed."""

from collections.abc import Callable, Sequence
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Integer
from jaxtyping import Shaped
import numpy as np

from vfl_jax import controls
from vfl_jax import federation as federations
from vfl_jax import mapping
from vfl_jax import nets
from vfl_jax import rng
from vfl_jax import types


def score(
  metric: str,
  scores: Shaped[np.ndarray, "rows classes"],
  labels: Integer[np.ndarray, " rows"],
) -> float:
  """One number for scores `[n, classes]` against labels `[n]`.

  Args:
    metric: "accuracy", "balanced_accuracy", or "auc" (two classes; the score
      is the difference of the second column and the first).
    scores: higher is more likely.
    labels: the truth.
  """
  from sklearn import metrics

  if metric == "auc":
    return float(metrics.roc_auc_score(labels, scores[:, 1] - scores[:, 0]))
  guess = np.argmax(scores, -1)
  if metric == "balanced_accuracy":
    recalls = [np.mean(guess[labels == c] == c) for c in np.unique(labels)]
    return float(np.mean(recalls))
  return float(np.mean(guess == labels))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
  """Mean and 95 % Student t interval over seeds; NaN bounds for one seed.

  >>> [round(v, 3) for v in interval([1.0, 2.0, 3.0])]
  [2.0, -0.484, 4.484]
  """
  from scipy import stats

  array = np.asarray(values, float)
  mean = float(array.mean())
  if len(array) < 2:
    return mean, float("nan"), float("nan")
  error = array.std(ddof=1) / np.sqrt(len(array))
  half = float(stats.t.ppf(0.975, len(array) - 1) * error)
  return mean, mean - half, mean + half


def infer(
  attack: types.Attack, keys: jax.Array, views: types.View, how: str
) -> types.Inference:
  """An attack on the views of all seeds, in one program."""
  shared = ("train", "test", "gradient_rows", "train_ids", "test_ids")
  seeded = ("bottom", "bottoms", "gradients", "aux_rows", "aux_labels")
  return _compiled(attack.infer, views.public, how)(
    keys,
    {name: getattr(views, name) for name in shared},
    {name: getattr(views, name) for name in seeded},
  )


@functools.lru_cache
def _compiled(infer, public, how):
  """One program per attack, shared by parties, victims and controls."""

  def one(key, shared, seeded):
    return infer(key, types.View(public=public, **shared, **seeded))

  return jax.jit(mapping.over(one, how, in_axes=(0, None, 0)))


def leakage(
  federation: federations.Federation,
  attacks: dict[str, types.Attack],
  *,
  aux_per_class: int,
  steps: int,
  metric: str,
  advance: Callable[[str], None] = lambda what: None,
) -> list[dict[str, Any]]:
  """Every attack of every passive party beside its controls and ceiling.

  Args:
    federation: what was trained.
    attacks: by name.
    aux_per_class: auxiliary labels per class.
    steps: training steps of the ceiling's head.
    metric: see `score`.
    advance: called with a few words before each piece of work.

  Returns:
    Tidy rows: attack, what (attack, prior, no-VFL, features only, ceiling),
    party, seed, rows (train without auxiliary samples, test), metric, value,
    n, detail.
  """
  f, net = federation, federation.net
  how = mapping.method(net.model.convolutional)
  closed = f.seal(attacks)
  f = f.under(closed)
  keys = jnp.stack([rng.stream(k, "auxiliary") for k in f.keys])
  drawn = [closed.auxiliary(k, aux_per_class) for k in keys]
  aux_rows, aux_labels = (np.stack(a) for a in zip(*drawn, strict=True))
  answers: list[tuple[str, str, int, int, Any, Any, str]] = []

  def note(attack, what, party, inference, details):
    for seed in range(len(f.keys)):
      answers.append(
        (
          attack,
          what,
          party,
          seed,
          *(
            None if s is None else np.asarray(s[seed])
            for s in (inference.train, inference.test)
          ),
          details[seed],
        )
      )

  views = [f.views(k, aux_rows, aux_labels) for k in range(f.passive)]
  for party, view in enumerate(views):
    advance(f"party {party}: features only")
    found = [_features_only(view, seed) for seed in range(len(f.keys))]
    inference = types.Inference(
      *(np.stack(s) for s in list(zip(*found, strict=True))[:2])
    )
    for name in attacks:
      note(name, "features only", party, inference, [d for *_, d in found])
    fresh = controls.untrained(
      net,
      party,
      jnp.stack([rng.stream(k, "no-vfl") for k in f.keys]),
      f.dataset.train.inputs,
    )
    for name, attack in attacks.items():
      keys = jnp.stack([rng.stream(k, name, party) for k in f.keys])
      for what, bottom in (("attack", view.bottom), ("no-VFL", fresh)):
        advance(f"party {party}: {name}, {what}")
        inference = infer(attack, keys, view._replace(bottom=bottom), how)
        inference = jax.tree.map(np.asarray, inference)
        note(name, what, party, inference, _details(attack, inference))
  for name in attacks:
    closed.returned(name)

  labels = {s: closed.open(s) for s in ("train", "test")}
  for party, view in enumerate(views):
    advance(f"party {party}: ceiling")
    inference = _ceiling(f, view, labels["train"], steps, how)
    for name in attacks:
      note(name, "ceiling", party, inference, [""] * len(f.keys))
  rows = []
  shares = np.bincount(labels["train"]) / len(labels["train"])
  for attack, what, party, seed, train, test, detail in answers:
    for where, scores in (("train", train), ("test", test)):
      if scores is None:
        continue
      counted = np.arange(len(labels[where]))
      if where == "train":
        counted = np.setdiff1d(counted, aux_rows[seed])
      truth = labels[where][counted]
      row = {
        "attack": attack,
        "what": what,
        "party": party,
        "seed": seed,
        "rows": where,
        "metric": metric,
        "n": len(counted),
        "value": score(metric, scores[counted], truth),
        "detail": detail,
      }
      rows.append(row)
      if what == "attack":
        prior = np.tile(shares, (len(counted), 1))
        value = score(metric, prior, truth)
        rows.append({**row, "what": "prior", "value": value, "detail": ""})
  return rows


def advantage(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  """Leakage advantage: attack minus its strongest control, paired by seed.

  The strongest control is the one with the highest mean over seeds.

  Returns:
    Tidy rows: attack, party, rows, metric, attack_score, control,
    control_score, ceiling_score, advantage, low, high (95 %), seeds.
  """
  import pandas as pd

  frame = pd.DataFrame(rows)
  results = []
  groups = frame.groupby(["attack", "party", "rows"], sort=False)
  for (attack, party, where), group in groups:
    table = group.pivot(index="seed", columns="what", values="value")
    held = table[[c for c in CONTROLS if c in table]]
    strongest = held.mean().idxmax()
    mean, low, high = interval((table["attack"] - table[strongest]).tolist())
    results.append(
      {
        "attack": attack,
        "party": party,
        "rows": where,
        "metric": group["metric"].iloc[0],
        "attack_score": table["attack"].mean(),
        "control": strongest,
        "control_score": table[strongest].mean(),
        "ceiling_score": table["ceiling"].mean(),
        "advantage": mean,
        "low": low,
        "high": high,
        "seeds": len(table),
      }
    )
  return results


CONTROLS = ("prior", "no-VFL", "features only")


def _details(attack, inference) -> list[str]:
  """In words, what an attack says of itself, per seed."""
  seeds = len(next(iter(inference.details.values()), ()))
  texts = []
  for seed in range(seeds):
    parts = []
    for key, values in inference.details.items():
      names = attack.names.get(key)
      value = values[seed]
      parts.append(names[int(value)] if names else f"{key} {value:.3f}")
    texts.append("; ".join(parts))
  return texts or [""] * len(inference.train)


def _features_only(view: types.View, seed: int):
  vectors = [
    np.asarray(nets.vectors(x, view.public.vocabulary))
    for x in (view.train, view.test)
  ]
  return controls.features_only(
    *vectors,
    np.asarray(view.aux_rows[seed]),
    np.asarray(view.aux_labels[seed]),
    view.public.num_classes,
  )


def _ceiling(f, view, labels, steps, how) -> types.Inference:
  height = view.public.vocabulary if not f.net.cut else 0

  train, test = (
    _embed(f.net.bottom, how, height, jnp.arange(len(f.keys)), view.bottom, x)
    for x in (view.train, view.test)
  )
  keys = jnp.stack([rng.stream(k, "ceiling") for k in f.keys])
  return types.Inference(
    *controls.ceiling(
      keys, train, test, jnp.asarray(labels), f.dataset.num_classes, steps
    )
  )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _embed(bottom, how, height, seeds, variables, x):
  """Vectors of a party's embeddings, per seed (`seeds` gives their number)."""

  def one(seed, variables, x):
    del seed
    return mapping.chunked(
      lambda x: nets.vectors(bottom(variables, x)[0], height), x, 500
    )

  return mapping.over(one, how, in_axes=(0, 0, None))(seeds, variables, x)
