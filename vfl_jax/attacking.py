"""The attacks a config names: chosen, carried out, written to tables."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import entries
from vfl_jax import attacks as attack_registry
from vfl_jax import checks
from vfl_jax import evaluate
from vfl_jax import exposure
from vfl_jax import federation as federations
from vfl_jax import leakage
from vfl_jax import malicious
from vfl_jax import tables
from vfl_jax import train
from vfl_jax import types


def run(
  config: Any,
  workdir,
  setup: federations.Setup,
  f: federations.Federation,
  state: Any,
  progress,
) -> None:
  """Every attack the config names, beside its controls.

  For an active attack the federation is trained again for each adversary, or
  goes on from `state`, where the training ended.
  """
  options = config.evaluate
  chosen, rules, skipped = _chosen(config, setup, f)
  labels = {n: a for n, a in chosen.items() if not a.features}
  coalitions = [tuple(c) for c in options.coalitions]
  adversaries = [(k,) for k in range(f.passive)] + coalitions
  active = {n: a for n, a in labels.items() if leakage.is_active(a)}
  progress.phase(
    "attack", len(adversaries) * (2 + 2 * len(chosen) + len(active))
  )
  tables.set_status(
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
  victims = _Victims(config, setup, f, state, active, progress.advance)
  skipped.update(victims.train(adversaries))
  labels = {n: a for n, a in labels.items() if n not in skipped}
  tables.set_status(workdir, "running", skipped=skipped)
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
      p for p in map(leakage.named, adversaries) if (name, p) not in answered
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
  tables.set_status(workdir, "running", skipped=skipped)
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
  tables.write(workdir, "leakage", evaluate.advantage(rows))


def _why(attack):
  """Why an attack may have had nothing to say."""
  if attack.abstains:
    return "; it was sure of no row"
  if "gradients" in attack.needs:
    return "; too few recorded rows got a gradient"
  return ""


def _chosen(config, setup, f):
  """Attacks by label, the name of each, and why others cannot run here."""
  setting = types.Setting(
    f.net.cut,
    len(f.net.model.stages),
    config.record.messages if config.record.epochs else "",
    config.evaluate.label_prior,
    checks.local_optimizer(config, f.passive),
    setup.defense.code is not None,
    tuple(config.record.epochs),
    setup.defense.pairs is not None,
  )
  listed = entries.labelled(config.attacks)
  asked = {name for _, name, _ in listed} & set(entries.SETS)
  listed = [e for e in listed if e[1] not in asked]
  if "adaptive" in asked:
    known = [label for label, _, _ in listed]
    listed += [
      entry
      for entry in entries.labelled(setup.defense.adaptive)
      if entry[0] not in known
    ]
  if "all" in asked:
    named = [name for _, name, _ in listed]
    listed += [(n, n, {}) for n in attack_registry.ATTACKS if n not in named]
  chosen, rules, skipped = {}, {}, {}
  for label, name, own in listed:
    rules[label] = name
    attack = attack_registry.build(
      name,
      **{
        "budget": config.evaluate.attack_steps,
        "oracle": config.evaluate.oracle,
        **own,
      },
    )
    reason = attack_registry.missing(attack, setting)
    if reason:
      skipped[label] = reason
    else:
      chosen[label] = attack
  return chosen, rules, skipped


class _Victims:
  """Federations under active attacks, trained when they are asked for.

  Attributes:
    rows: tidy rows on what each attack does to the main task.
  """

  def __init__(self, config, setup, f, state, active, advance):
    self._config, self._setup, self._f = config, setup, f
    self._state, self._active, self._advance = state, active, advance
    self._known = {}
    self.rows = []
    test = f.dataset.test
    self._inputs = jax.tree.map(jnp.asarray, tuple(test.inputs))
    # read now: the labels are closed while attacks run
    self._labels = np.array(test.labels)
    self._honest = {}

  def train(self, adversaries) -> dict[str, str]:
    """Those that no auxiliary sample decides; why an attack is given up."""
    reasons = {}
    for name, attack in self._active.items():
      for members in adversaries if attack.optimizer else ():
        party = leakage.named(members)
        self._advance(f"party {party}: training under {name}")
        own, _ = malicious.attacked(
          self._config,
          self._setup,
          members,
          attack.optimizer,
          record=bool({"gradients", "averages"} & attack.needs),
        )
        sound = train.finite(own.variables)
        if not sound.all():
          reasons[name] = (
            f"the federation trained under it by party {party} diverged in "
            f"seeds {np.flatnonzero(~sound).tolist()}"
          )
          continue
        self._known[name, members] = own
        self._price(name, members, own)
    return reasons

  def __call__(self, name, members, aux_rows) -> federations.Federation:
    if (name, members) in self._known:
      return self._known[name, members]
    key = name, members, aux_rows.tobytes()
    if key not in self._known:
      party, attack = leakage.named(members), self._active[name]
      self._advance(f"party {party}: turns of {name}")
      classes = self._f.dataset.num_classes
      own = malicious.swapped(
        self._setup,
        self._f,
        self._state,
        members,
        attack,
        aux_rows.reshape(len(aux_rows), classes, -1)[:, :, 0],
        self._config.train.epochs,
      )
      self._known[key] = own
      self._price(name, members, own, attack.turns(classes))
    return self._known[key]

  def _price(self, name, members, own, turns=0):
    """What an attack does to the main task, on test rows.

    Beside what the federation would have come to without it, after as many
    epochs.
    """
    predict = self._setup.learner.predict
    if turns not in self._honest:
      variables = self._f.variables
      if turns:
        variables = malicious.continued(
          self._setup, self._state, self._config.train.epochs, turns
        )
      self._honest[turns] = np.asarray(predict(variables, self._inputs))
    theirs = np.asarray(predict(own.variables, self._inputs))
    metric = self._config.evaluate.metric
    for seed, both in enumerate(zip(theirs, self._honest[turns], strict=True)):
      value, honest = (evaluate.score(metric, s, self._labels) for s in both)
      self.rows.append(
        {
          "attack": name,
          "party": leakage.named(members),
          "seed": seed,
          "metric": metric,
          "value": value,
          "honest": honest,
        }
      )
