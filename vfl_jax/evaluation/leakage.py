"""Attacks against controls, over seeds and auxiliary draws, labels sealed."""

from collections.abc import Callable, Sequence
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import scoring
from vfl_jax.evaluation import seal
from vfl_jax.evaluation import trials
from vfl_jax.federation import split
from vfl_jax.federation import views
from vfl_jax.results import tables
from vfl_jax.runtime import axes
from vfl_jax.runtime import compilation
from vfl_jax.runtime import memo
from vfl_jax.runtime import rng
from vfl_jax.runtime import trees

# by label of the attack, members of the adversary, and per seed its auxiliary
# rows `[seeds, m]`: what was trained, or trained on, under an active attack
Victims = Callable[[str, tuple[int, ...], np.ndarray], views.Federation]


def measure(
  federation: views.Federation,
  attacks: dict[str, base.Attack],
  *,
  aux_per_class: int,
  draws: int,
  steps: int,
  metric: str,
  label_prior: bool = False,
  coalitions: Sequence[Sequence[int]] = (),
  victims: Victims | None = None,
  advance: Callable[[str], None] = lambda what: None,
) -> list[dict[str, Any]]:
  """Every attack of every adversary beside its controls and ceiling.

  A trial is one seed of the federation with one draw of auxiliary samples.
  Rows that an attack says nothing about are not scored, for its controls
  neither. An attack on gradients has no no-VFL control (without a federation
  none come down) and no ceiling.

  Args:
    federation: what was trained.
    attacks: by label.
    aux_per_class: auxiliary labels per class.
    draws: of the auxiliary samples, per seed.
    steps: training steps of the ceiling's head.
    metric: of the decisions, see `metrics.score`; others stand beside it.
    label_prior: whether the parties know the class shares.
    coalitions: passive parties that act as one, beside each on its own.
    victims: needed where an attack is active.
    advance: called with a few words before each piece of work.

  Returns:
    Tidy rows: attack, what (attack, prior, no-VFL, features only, ceiling),
    party (or "0+1"), seed, draw, rows (train without auxiliary samples, test),
    metric, primary (whether it is the metric the attack is judged by), value,
    n, detail. Where an attack offers choices (`Inference.choices`) it stands
    there again as "NAME (oracle)", the best of them by the true labels.
  """
  f, net = federation, federation.net
  closed = seal.close(f, attacks)
  shares = closed.shares()
  f = seal.under(closed, f)
  keys = _streams(f, draws, "auxiliary")
  gradients = any("gradients" in a.needs for a in attacks.values())
  among = f.recorder.rows if gradients else None
  drawn = [closed.auxiliary(k, aux_per_class, among) for k in keys]
  aux_rows, aux_labels = (np.stack(a) for a in zip(*drawn, strict=True))
  adversaries = [(k,) for k in range(f.passive)] + [
    tuple(c) for c in coalitions
  ]
  count = len(keys)
  answers: list[scoring.Answer] = []
  seen: dict[tuple[int, ...], base.View] = {}
  for members in adversaries:
    compilation.make_room()
    party = named(members)
    seen[members] = f.views(members, aux_rows, aux_labels)
    view = _tried(seen[members], shares * label_prior, draws)
    advance(f"party {party}: features only")
    found = [_features_only(view, trial) for trial in range(count)]
    *scores, details = zip(*found, strict=True)
    inference = base.Inference(*map(np.stack, scores))
    for name in attacks:
      answers += _answers(f, name, "features only", party, inference, details)
    fresh = None
    for name, attack in attacks.items():
      whose = (name, party) if len(members) == 1 else (f"{name} by {party}",)
      keys = _streams(f, draws, *whose)
      victim = view
      if is_active(attack):
        assert victims is not None
        theirs = _under(victims, name, members, aux_rows, draws)
        parts = [
          seal.under(closed, own).views(members, aux_rows, aux_labels)
          for own in theirs
        ]
        victim = _tried(parts[0], shares * label_prior, draws)
        if len(parts) > 1:
          victim = _interleaved(victim, parts)
      if "code" not in attack.needs:
        victim = victim._replace(code=None)
      faced = {"attack": victim}
      if not {"gradients", "averages"} & attack.needs:
        if fresh is None:
          fresh = _repeated(_untrained(f, members), draws)
        # nothing but the bottom has come out of the federation
        faced["no-VFL"] = view._replace(
          bottom=fresh,
          code=victim.code,
          bottoms={},
          gradients={},
          embeddings={},
          averages={},
          pairs={},
        )
      for what, victim in faced.items():
        advance(f"party {party}: {name}, {what}")
        infer = trials.infer if what == "attack" else _infer
        inference = infer(attack, keys, victim, _how(net))
        details = _details(attack, inference, count)
        answers += _answers(f, name, what, party, inference, details)
  for name in attacks:
    closed.returned(name)

  labels = {s: closed.open(s) for s in ("train", "test")}
  heads = [
    n for n, a in attacks.items() if not {"gradients", "averages"} & a.needs
  ]
  for members in adversaries if heads else []:
    party = named(members)
    advance(f"party {party}: ceiling")
    view, passive = seen[members], None
    for name in heads:
      if is_active(attacks[name]):
        assert victims is not None
        own = victims(name, members, aux_rows[::draws])
        view = seal.under(closed, own).views(members, aux_rows, aux_labels)
        found = _ceiling(f, view, labels["train"], steps)
      else:
        found = passive = passive or _ceiling(f, view, labels["train"], steps)
      found = _repeated(found, draws)
      answers += _answers(f, name, "ceiling", party, found, [""] * count)
  marked = {name + tables.ORACLE: a for name, a in attacks.items()}
  return scoring.table(
    answers,
    {**attacks, **marked},
    labels,
    aux_rows,
    shares,
    draws,
    metric,
    among,
  )


# what studies ask for again and again
_infer = memo.remembered(trials.infer)
_semi_supervised = memo.remembered(controls.features_only)


def named(members: Sequence[int]) -> int | str:
  """An adversary in a table: a party, or "0+1"."""
  return members[0] if len(members) == 1 else "+".join(map(str, members))


def is_active(attack: base.Attack) -> bool:
  """Whether it leaves the protocol, and so has a federation of its own."""
  return attack.optimizer is not None or attack.send is not None


def _under(victims, name, members, aux_rows, draws):
  """Federations under an attack: one for all draws if none depends on them."""
  found = []
  for draw in range(draws):
    own = victims(name, members, aux_rows[draw::draws])
    if found and own is found[0]:
      return found
    found.append(own)
  return found


def _interleaved(view, parts):
  """One view of all trials from one for every auxiliary draw."""

  def joined(*arrays):
    stacked = jnp.stack(arrays, axis=1)
    return stacked.reshape(-1, *stacked.shape[2:])

  fields = ("bottom", "bottoms", "gradients", "embeddings", "pairs")
  return view._replace(
    **{
      field: jax.tree.map(joined, *(getattr(p, field) for p in parts))
      for field in fields
    }
  )


def _streams(f, draws, *names):
  """A key per trial: per seed, and folded with the number of a later draw."""
  keys = [rng.stream(key, *names) for key in f.keys]
  return jnp.stack(
    [rng.stream(k, "draw", i) if i else k for k in keys for i in range(draws)]
  )


def _how(net):
  return axes.method(net.model.convolutional)


def _repeated(tree, draws):
  """Every seed as often as auxiliary samples are drawn for it."""
  if draws == 1:
    return tree
  return jax.tree.map(lambda a: jnp.repeat(a, draws, axis=0), tree)


def _tried(view: base.View, shares, draws) -> base.View:
  """The view of all trials, with the class shares where they are public."""
  prior = tuple(map(float, shares)) if shares.any() else None
  return view._replace(
    bottom=_repeated(view.bottom, draws),
    bottoms=_repeated(view.bottoms, draws),
    gradients=_repeated(view.gradients, draws),
    embeddings=_repeated(view.embeddings, draws),
    averages=_repeated(view.averages, draws),
    code=_repeated(view.code, draws),
    pairs=_repeated(view.pairs, draws),
    public=view.public._replace(label_prior=prior),
  )


def _answers(
  f, attack, what, party, inference, details
) -> list[scoring.Answer]:
  """One answer per trial, its training scores in the order of all rows.

  With choices there is another one, marked, for the oracle.
  """
  found = []
  rows = inference.rows
  every = [(attack, inference.train, inference.test)]
  if inference.choices is not None:
    every.append((attack + tables.ORACLE, *inference.choices))
  elif what in ("features only", "ceiling"):  # nothing to choose among
    every.append((attack + tables.ORACLE, inference.train, inference.test))
  for (name, *both), (trial, detail) in itertools.product(
    every, enumerate(details)
  ):
    train, test = (None if s is None else np.asarray(s[trial]) for s in both)
    if rows is not None and train is not None:
      shape = *train.shape[:-2], len(f.dataset.train.ids), train.shape[-1]
      spread = np.full(shape, np.nan, train.dtype)
      spread[..., np.asarray(rows[trial]), :] = train
      train = spread
    found.append(scoring.Answer(name, what, party, trial, train, test, detail))
  return found


def _details(attack, inference, count) -> list[str]:
  """In words, what an attack says of itself, per trial."""
  texts = []
  for trial in range(count):
    parts = []
    for key, values in inference.details.items():
      names = attack.names.get(key)
      value = values[trial]
      parts.append(names[int(value)] if names else f"{key} {value:.3g}")
    texts.append("; ".join(parts))
  return texts


def _features_only(view: base.View, trial: int):
  vectors = [
    np.asarray(trees.vectors(x, view.public.vocabulary))
    for x in (view.train, view.test)
  ]
  return _semi_supervised(
    *vectors,
    np.asarray(view.aux_rows[trial]),
    np.asarray(view.aux_labels[trial]),
    view.public.num_classes,
  )


def _untrained(f, members):
  keys = jnp.stack([rng.stream(k, "no-vfl") for k in f.keys])
  drawn = [
    controls.untrained(f.net, k, keys, f.dataset.train.inputs) for k in members
  ]
  return split.together(drawn)


def _ceiling(f, view, labels, steps) -> base.Inference:
  how = _how(f.net)
  height = view.public.vocabulary if not f.net.cut else 0
  train, test = (
    _embed(
      view.public.bottom, how, height, np.arange(len(f.keys)), view.bottom, x
    )
    for x in (view.train, view.test)
  )
  keys = jnp.stack([rng.stream(k, "ceiling") for k in f.keys])
  found = controls.ceiling(
    keys, train, test, labels, f.dataset.num_classes, steps
  )
  return base.Inference(*map(np.asarray, found))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _embed(bottom, how, height, seeds, variables, x):
  """Vectors of a party's embeddings, per seed (`seeds` gives their number)."""

  def one(seed, variables, x):
    del seed
    return axes.chunked(
      lambda x: trees.vectors(bottom(variables, x)[0], height), x, 500
    )

  return axes.over(one, how, in_axes=(0, 0, None))(seeds, variables, x)
