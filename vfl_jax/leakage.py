"""Attacks against controls, over seeds and auxiliary draws, labels sealed."""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import controls
from vfl_jax import evaluate
from vfl_jax import federation as federations
from vfl_jax import mapping
from vfl_jax import nets
from vfl_jax import rng
from vfl_jax import types


def measure(
  federation: federations.Federation,
  attacks: dict[str, types.Attack],
  *,
  aux_per_class: int,
  draws: int,
  steps: int,
  metric: str,
  label_prior: bool = False,
  victims: Mapping[tuple[str, int], federations.Federation] | None = None,
  advance: Callable[[str], None] = lambda what: None,
) -> list[dict[str, Any]]:
  """Every attack of every passive party beside its controls and ceiling.

  A trial is one seed of the federation with one draw of auxiliary samples.
  Rows that an attack says nothing about are not scored, for its controls
  neither. An attack on gradients has no no-VFL control (without a federation
  none come down) and no ceiling.

  Args:
    federation: what was trained.
    attacks: by name.
    aux_per_class: auxiliary labels per class.
    draws: of the auxiliary samples, per seed.
    steps: training steps of the ceiling's head.
    metric: of the decisions, see `evaluate.score`; others stand beside it.
    label_prior: whether the parties know the class shares.
    victims: for active attacks, by name and party, the federation that was
      trained under them.
    advance: called with a few words before each piece of work.

  Returns:
    Tidy rows: attack, what (attack, prior, no-VFL, features only, ceiling),
    party, seed, draw, rows (train without auxiliary samples, test), metric,
    primary (whether it is the metric the attack is judged by), value, n,
    detail.
  """
  f, net = federation, federation.net
  closed = f.seal(attacks)
  shares = closed.shares()
  f = f.under(closed)
  keys = _streams(f, draws, "auxiliary")
  gradients = any("gradients" in a.needs for a in attacks.values())
  among = f.recorded_rows if gradients else None
  drawn = [closed.auxiliary(k, aux_per_class, among) for k in keys]
  aux_rows, aux_labels = (np.stack(a) for a in zip(*drawn, strict=True))
  views = [f.views(k, aux_rows, aux_labels) for k in range(f.passive)]
  under = {
    (name, party): own.under(closed).views(party, aux_rows, aux_labels)
    for (name, party), own in (victims or {}).items()
  }
  trials = len(keys)
  answers: list[evaluate.Answer] = []
  for party, seen in enumerate(views):
    view = _tried(seen, shares * label_prior, draws)
    advance(f"party {party}: features only")
    found = [_features_only(view, trial) for trial in range(trials)]
    *scores, details = zip(*found, strict=True)
    inference = types.Inference(*map(np.stack, scores))
    for name in attacks:
      answers += _answers(f, name, "features only", party, inference, details)
    fresh = None
    for name, attack in attacks.items():
      keys = _streams(f, draws, name, party)
      theirs = under.get((name, party))
      victim = view
      if theirs is not None:
        victim = _tried(theirs, shares * label_prior, draws)
      faced = {"attack": victim}
      if "gradients" not in attack.needs:
        if fresh is None:
          fresh = _repeated(_untrained(f, party), draws)
        faced["no-VFL"] = view._replace(bottom=fresh)
      for what, victim in faced.items():
        advance(f"party {party}: {name}, {what}")
        inference = infer(attack, keys, victim, _how(net))
        details = _details(attack, inference, trials)
        answers += _answers(f, name, what, party, inference, details)
  for name in attacks:
    closed.returned(name)

  labels = {s: closed.open(s) for s in ("train", "test")}
  heads = [n for n, a in attacks.items() if "gradients" not in a.needs]
  for party, view in enumerate(views if heads else []):
    advance(f"party {party}: ceiling")
    passive = None
    for name in heads:
      own = under.get((name, party))
      if own is not None:
        found = _ceiling(f, own, labels["train"], steps)
      else:
        found = passive = passive or _ceiling(f, view, labels["train"], steps)
      found = _repeated(found, draws)
      answers += _answers(f, name, "ceiling", party, found, [""] * trials)
  return evaluate.table(
    answers, attacks, labels, aux_rows, shares, draws, metric
  )


def infer(
  attack: types.Attack, keys: jax.Array, views: types.View, how: str
) -> types.Inference:
  """An attack on the views of all trials, arrays of numpy.

  Args:
    attack: in one program if it can be traced, else one trial after another.
    keys: one per trial.
    views: with a trial axis first where trials differ.
    how: see `mapping.over`.
  """
  shared = {name: getattr(views, name) for name in _SHARED}
  own = {name: getattr(views, name) for name in _OWN}
  if attack.compiled:
    program = _compiled(attack.infer, views.public, how)
    return jax.tree.map(np.asarray, program(keys, shared, own))
  found = [
    attack.infer(
      key,
      types.View(public=views.public, **shared, **mapping.take(own, trial)),
    )
    for trial, key in enumerate(keys)
  ]
  return jax.tree.map(lambda *a: np.stack(a), *found)


_SHARED = ("train", "test", "gradient_rows", "train_ids", "test_ids")
_OWN = ("bottom", "bottoms", "gradients", "aux_rows", "aux_labels")


@functools.lru_cache
def _compiled(infer, public, how):
  """One program per attack, shared by parties, victims and controls."""

  def one(key, shared, own):
    return infer(key, types.View(public=public, **shared, **own))

  return jax.jit(mapping.over(one, how, in_axes=(0, None, 0)))


def _streams(f, draws, *names):
  """A key per trial: per seed, and folded with the number of a later draw."""
  keys = [rng.stream(key, *names) for key in f.keys]
  return jnp.stack(
    [rng.stream(k, "draw", i) if i else k for k in keys for i in range(draws)]
  )


def _how(net):
  return mapping.method(net.model.convolutional)


def _repeated(tree, draws):
  """Every seed as often as auxiliary samples are drawn for it."""
  if draws == 1:
    return tree
  return jax.tree.map(lambda a: jnp.repeat(a, draws, axis=0), tree)


def _tried(view: types.View, shares, draws) -> types.View:
  """The view of all trials, with the class shares where they are public."""
  prior = tuple(map(float, shares)) if shares.any() else None
  return view._replace(
    bottom=_repeated(view.bottom, draws),
    bottoms=_repeated(view.bottoms, draws),
    gradients=_repeated(view.gradients, draws),
    public=view.public._replace(label_prior=prior),
  )


def _answers(
  f, attack, what, party, inference, details
) -> list[evaluate.Answer]:
  """One answer per trial, its training scores in the order of all rows."""
  total = len(f.dataset.train.ids)
  found = []
  for trial, detail in enumerate(details):
    train, test = (
      None if s is None else np.asarray(s[trial])
      for s in (inference.train, inference.test)
    )
    if inference.rows is not None and train is not None:
      spread = np.full((total, train.shape[1]), np.nan, train.dtype)
      spread[np.asarray(inference.rows[trial])] = train
      train = spread
    found.append(
      evaluate.Answer(attack, what, party, trial, train, test, detail)
    )
  return found


def _details(attack, inference, trials) -> list[str]:
  """In words, what an attack says of itself, per trial."""
  texts = []
  for trial in range(trials):
    parts = []
    for key, values in inference.details.items():
      names = attack.names.get(key)
      value = values[trial]
      parts.append(names[int(value)] if names else f"{key} {value:.3g}")
    texts.append("; ".join(parts))
  return texts


def _features_only(view: types.View, trial: int):
  vectors = [
    np.asarray(nets.vectors(x, view.public.vocabulary))
    for x in (view.train, view.test)
  ]
  return controls.features_only(
    *vectors,
    np.asarray(view.aux_rows[trial]),
    np.asarray(view.aux_labels[trial]),
    view.public.num_classes,
  )


def _untrained(f, party):
  return controls.untrained(
    f.net,
    party,
    jnp.stack([rng.stream(k, "no-vfl") for k in f.keys]),
    f.dataset.train.inputs,
  )


def _ceiling(f, view, labels, steps) -> types.Inference:
  how = _how(f.net)
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
