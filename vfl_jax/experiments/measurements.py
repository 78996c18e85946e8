"""The attacks a config names: chosen, carried out, written to tables."""

from typing import Any

import numpy as np

from vfl_jax.attacks import selection
from vfl_jax.evaluation import compensation as evaluation_compensation
from vfl_jax.evaluation import exposure
from vfl_jax.evaluation import cases
from vfl_jax.evaluation import leakage
from vfl_jax.evaluation import privacy as evaluation_privacy
from vfl_jax.evaluation import victims as evaluation_victims
from vfl_jax.experiments import setting
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import views
from vfl_jax.results import advantage
from vfl_jax.results import status
from vfl_jax.results import tables


def report(
  config: Any, workdir: Any, setup: federation_setup.Setup, state: Any
) -> None:
  """Two tables, for the defences that have something to say.

  "privacy": defense, options, scope, epsilon, delta; a scope alone says that
  there is no guarantee. "defenses": defense, quantity, party, seed, value.
  """
  if not config.defenses or tables.exists(workdir, "privacy"):
    return
  rows = [
    {
      "quantity": quantity,
      "party": party,
      "seed": seed,
      "value": float(value),
    }
    for quantity, values in evaluation_privacy.said(
      setup.defense, state
    ).items()
    for seed, parties in enumerate(np.asarray(values))
    for party, value in enumerate(np.atleast_1d(parties))
  ]
  if rows:
    tables.write(workdir, "defenses", rows)
  # last: where it is, the other is too
  tables.write(workdir, "privacy", evaluation_privacy.privacy(config, setup))


def run(
  config: Any,
  workdir,
  setup: federation_setup.Setup,
  f: views.Federation,
  state: Any,
  progress,
) -> None:
  """Every attack the config names, beside its controls.

  For an active attack the federation is trained again for each adversary, or
  goes on from `state`, where the training ended.
  """
  options = config.evaluate
  chosen, rules, skipped = selection.chosen(
    config,
    setting.of(config, setup.defense, f.net.cut, len(f.net.model.stages)),
    setup.defense.adaptive,
  )
  labels = {n: a for n, a in chosen.items() if not a.features}
  coalitions = [tuple(c) for c in options.coalitions]
  adversaries = [(k,) for k in range(f.passive)] + coalitions
  active = {n: a for n, a in labels.items() if cases.is_active(a)}
  progress.phase(
    "attack", len(adversaries) * (2 + 2 * len(chosen) + len(active))
  )
  status.set_status(
    workdir,
    "running",
    skipped=skipped,
    budgets={name: a.budget for name, a in chosen.items()},
  )
  if len(labels) < len(chosen) and not tables.exists(workdir, "exposure"):
    features = {n: a for n, a in chosen.items() if a.features}
    asked = config.evaluate.exposure
    rows = exposure.measure(f, features, asked, progress.advance)
    rows = [{"cut": f.net.cut, **r} for r in rows]
    tables.write(workdir, "exposure", rows)
  if tables.exists(workdir, "leakage") or not labels:
    return
  victims = evaluation_victims.Victims(
    config, setup, f, state, active, progress.advance
  )
  skipped.update(victims.train(adversaries))
  labels = {n: a for n, a in labels.items() if n not in skipped}
  status.set_status(workdir, "running", skipped=skipped)
  if not labels:
    return
  rows = leakage.measure(
    f,
    labels,
    aux_per_class=options.aux_per_class,
    draws=options.aux_draws,
    steps=max(options.attack_steps, options.ceiling_steps),
    metric=options.metric,
    label_prior=options.label_prior,
    coalitions=coalitions,
    victims=victims,
    advance=progress.advance,
  )
  scored = [r for r in rows if r["primary"] and r["what"] == "attack"]
  answered = {(r["attack"], r["party"]) for r in scored}
  silent = {
    name: [
      p for p in map(cases.named, adversaries) if (name, p) not in answered
    ]
    for name in labels
  }
  skipped |= {
    name: "it had nothing to say about any row"
    + (f" to parties {parties}" if len(parties) < len(adversaries) else "")
    + _why(labels[name])
    for name, parties in silent.items()
    if parties
  }
  status.set_status(workdir, "running", skipped=skipped)
  if victims.rows:
    tables.write(workdir, "active", victims.rows)
  rows = [
    {
      "cut": f.net.cut,
      **r,
      "rule": rules[r["attack"].removesuffix(tables.ORACLE)],
    }
    for r in rows
  ]
  tables.write(workdir, "attacks", rows)
  tables.write(workdir, "leakage", advantage.advantage(rows))


def _why(attack):
  """Why an attack may have had nothing to say."""
  if attack.abstains:
    return "; it was sure of no row"
  if "gradients" in attack.needs:
    return "; too few recorded rows got a gradient"
  return ""


def compensation(
  config: Any, workdir, setup, f: views.Federation, predict, progress
):
  """Who does what, bottoms or top: see `evaluation.compensation`."""
  progress.phase("compensation", len(config.compensation) + 1)
  if tables.exists(workdir, "probes") or not config.compensation:
    return
  accuracy, probes = evaluation_compensation.run(
    config, setup, f, predict, progress.advance
  )
  tables.write(workdir, "compensation", accuracy)
  tables.write(workdir, "probes", probes)
