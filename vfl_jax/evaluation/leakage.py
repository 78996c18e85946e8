"""Attacks and their controls, over seeds and auxiliary draws, labels sealed."""

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import numpy as np

from vfl_jax.attacks import base
from vfl_jax.evaluation import alone
from vfl_jax.evaluation import answers
from vfl_jax.evaluation import cases
from vfl_jax.evaluation import ceilings
from vfl_jax.evaluation import classes
from vfl_jax.evaluation import coalitions
from vfl_jax.evaluation import curves
from vfl_jax.evaluation import learners
from vfl_jax.evaluation import scoring
from vfl_jax.evaluation import seal
from vfl_jax.evaluation import trials
from vfl_jax.federation import views
from vfl_jax.results import tables
from vfl_jax.runtime import axes
from vfl_jax.runtime import compilation
from vfl_jax.runtime import memo


class Measured(NamedTuple):
  """Scores of attacks and controls.

  Attributes:
    rows: tidy rows with the columns attack, what (attack, prior, no-VFL,
      features only, chosen features only, ceiling), party (or "0+1"), seed,
      draw, rows (train without auxiliary samples, test), metric, primary
      (whether the attack is judged by this metric), value, n, detail.
    by_class: tidy rows by class, see `classes.table`.
    curves: tidy rows of what is found at few errors, see `curves.table`.
  """

  rows: list[dict[str, Any]]
  by_class: list[dict[str, Any]]
  curves: list[dict[str, Any]]


def measure(
  federation: views.Federation,
  attacks: dict[str, base.Attack],
  *,
  aux_per_class: int,
  draws: int,
  steps: int,
  metric: str,
  label_prior: bool = False,
  scratch: alone.Scratch | None = None,
  coalitions: Sequence[Sequence[int]] = (),
  victims: cases.Victims | None = None,
  advance: Callable[[str], None] = lambda what: None,
) -> Measured:
  """Scores every attack of every adversary, with its controls and ceiling.

  A trial is one seed of the federation with one draw of auxiliary samples.
  Rows that an attack does not answer are not scored, neither for the attack nor
  for its controls. An attack on gradients has no ceiling and no no-VFL control,
  because no gradients come down without a federation.

  Args:
    federation: the trained federation.
    attacks: attacks by label.
    aux_per_class: number of auxiliary labels per class.
    draws: number of draws of auxiliary samples per seed.
    steps: number of training steps of the ceiling's head.
    metric: primary metric of decisions, see `metrics.score`; further metrics
      are reported with it.
    label_prior: whether the parties know the class shares.
    scratch: a further learner for the controls that see features only.
    coalitions: groups of passive parties that act as one adversary, in addition
      to the single parties.
    victims: federations under active attacks; needed if an attack is active.
    advance: function called with a few words before each piece of work.

  Returns:
    The scores. An attack that offers choices (`Inference.choices`) has further
    rows as "NAME (oracle)", the best choice by the true labels.
  """
  closed = seal.close(federation, attacks)
  f = seal.under(closed, federation)
  shares = closed.shares()
  gradients = any("gradients" in a.needs for a in attacks.values())
  among = f.recorder.rows if gradients else None
  keys = cases.streams(f, draws, "auxiliary")
  drawn = [closed.auxiliary(k, aux_per_class, among) for k in keys]
  aux_rows, aux_labels = (np.stack(a) for a in zip(*drawn, strict=True))
  case = cases.Case(
    f=f,
    closed=closed,
    attacks=attacks,
    aux_rows=aux_rows,
    aux_labels=aux_labels,
    prior=shares * label_prior,
    draws=draws,
    victims=victims,
    advance=advance,
  )
  adversaries = [(k,) for k in range(f.passive)] + [
    tuple(c) for c in coalitions
  ]
  found: list[scoring.Answer] = []
  seen: dict[tuple[int, ...], base.View] = {}
  for members in adversaries:
    compilation.make_room()
    seen[members] = case.seen(members)
    found += _answered(case, members, seen, scratch)
  for name in attacks:
    closed.returned(name)

  labels = {s: closed.open(s) for s in ("train", "test")}
  for members, view in seen.items():
    found += ceilings.of(case, members, view, labels["train"], steps)
  marked = {name + tables.ORACLE: a for name, a in attacks.items()}
  rows = scoring.table(
    found,
    {**attacks, **marked},
    labels,
    aux_rows,
    shares,
    draws,
    metric,
    among,
  )
  by_class = classes.table(
    found, {**attacks, **marked}, labels, aux_rows, draws, metric
  )
  return Measured(rows, by_class, curves.table(found, labels, aux_rows, draws))


def _answered(case, members, seen, scratch) -> list[scoring.Answer]:
  """Answers of one adversary's controls and attacks.

  `seen` has what this adversary and, of a coalition, its members saw.
  """
  # a coalition, then what each of its members saw
  views_of = {members: cases.tried(case, seen[members])}
  if len(members) > 1:
    views_of |= {(k,): cases.tried(case, seen[k,]) for k in members}
  found = _features_only(case, views_of, scratch)
  fresh = functools.cache(
    functools.partial(alone.untrained, case.f, case.f.net, draws=case.draws)
  )
  for name in case.attacks:
    found += _attacked(case, views_of, fresh, name)
  return found


def _features_only(case, views_of, scratch) -> list[scoring.Answer]:
  """Answers of the control that needs no federation, for every attack.

  The control is the best learner of a pool *on the rows that are scored*.
  Nobody could choose it without the labels, so it errs high. A coalition's pool
  has the learners of all its members too. "Chosen features only" is the learner
  that the known labels choose.
  """
  members = next(iter(views_of))
  party = cases.named(members)
  case.advance(f"party {party}: features only")
  pools = {
    cases.named(m): alone.pool(case, m, view, scratch)
    for m, view in views_of.items()
  }
  pool = learners.together(pools)
  inference = base.Inference(pool.train, pool.test)
  chosen = np.arange(len(pool.chosen)), pool.chosen
  honest = base.Inference(pool.train[chosen], pool.test[chosen])
  return [
    answer
    for name in case.attacks
    for what, choice, details in (
      ("features only", inference, [""] * len(pool.chosen)),
      ("chosen features only", honest, pool.names[pool.chosen].tolist()),
    )
    for answer in answers.of(
      case.f, name, what, party, choice, details, pool.names
    )
  ]


def _attacked(case, views_of, fresh, name) -> list[scoring.Answer]:
  """Answers of one attack of one adversary, and of its no-VFL control.

  `views_of` has the adversary first and then, of a coalition, its members;
  `fresh(members)` is an untrained bottom. A coalition that was active has
  trained as one, and answers so.
  """
  members = next(iter(views_of))
  f, attack, party = case.f, case.attacks[name], cases.named(members)
  whose = (name, party) if len(members) == 1 else (f"{name} by {party}",)
  keys = cases.streams(f, case.draws, *whose)
  victims = views_of
  if cases.is_active(attack):
    victims = {members: cases.under(case, members, name)}
  if "code" not in attack.needs:
    victims = {
      m: v._replace(trial=v.trial._replace(code=None))
      for m, v in victims.items()
    }
  faced = {"attack": victims}
  if attack.alone is not None:
    faced["no-VFL"] = victims
  elif not cases.reads_messages(attack):
    # the attack reads only the bottom, which a random one replaces
    faced["no-VFL"] = {
      m: views_of[m]._replace(
        trial=v.trial._replace(bottom=fresh(m), recorded={})
      )
      for m, v in victims.items()
    }
  found = []
  for what, seen in faced.items():
    case.advance(f"party {party}: {name}, {what}")
    infer, rule = trials.infer, attack
    if what == "no-VFL":
      infer, rule = _infer, attack._replace(infer=attack.alone or attack.infer)
    run = lambda *args, infer=infer: infer(*args, _how(f.net))
    inference = coalitions.infer(rule, keys, [*seen.values()], run)
    rule = coalitions.named(rule, members)
    details = answers.details(rule, inference, len(keys))
    found += answers.of(f, name, what, party, inference, details)
  return found


def _how(net):
  return axes.method(net.model.convolutional)


# remembered, because the cells of a study share these controls
_infer = memo.remembered(trials.infer)
