"""The measurements of a trained federation, in one table."""

from collections.abc import Callable
import pathlib
from typing import Any, NamedTuple

from vfl_jax import attacks as label_attacks
from vfl_jax import models
from vfl_jax.attacks import base
from vfl_jax.attacks import completion
from vfl_jax.attacks import selection
from vfl_jax.config import identity
from vfl_jax.evaluation import alignment
from vfl_jax.evaluation import alone
from vfl_jax.evaluation import cases
from vfl_jax.evaluation import compensation
from vfl_jax.evaluation import exposure
from vfl_jax.evaluation import information
from vfl_jax.evaluation import leakage
from vfl_jax.evaluation import main_task
from vfl_jax.evaluation import metrics
from vfl_jax.evaluation import privacy
from vfl_jax.evaluation import victims as evaluation_victims
from vfl_jax.experiments import setting
from vfl_jax.federation import cost
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import views
from vfl_jax.results import advantage
from vfl_jax.results import status
from vfl_jax.results import tables

Tables = dict[str, list[dict[str, Any]]]


class Bench(NamedTuple):
  """A trained federation on which measurements are made.

  Attributes:
    config: config of the experiment.
    workdir: folder for tables and facts.
    setup: data and compiled functions.
    federation: the trained federation.
    state: state at the end of training, which active attacks may go on from.
    progress: a `progress.Progress`.
  """

  config: Any
  workdir: pathlib.Path
  setup: federation_setup.Setup
  federation: views.Federation
  state: Any
  progress: Any

  @property
  def metric(self) -> str:
    """The metric by which the measurements are judged."""
    labels = self.setup.dataset.train.labels
    return metrics.primary(self.config.evaluate.metric, labels)

  def note(self, **facts: Any) -> None:
    """Write facts to status.json, which the report reads."""
    status.set_status(self.workdir, "running", **facts)


class Measurement(NamedTuple):
  """One measurement of a trained federation.

  Attributes:
    table: name of the table whose existence shows that the measurement is done;
      it is written last.
    asked: `asked(config)`, whether the config asks for the measurement.
    measure: `measure(bench)`, rows by name of their table; empty if there is
      nothing to measure.
  """

  table: str
  asked: Callable[[Any], bool]
  measure: Callable[[Bench], Tables]


def run(bench: Bench) -> None:
  """Make all measurements that the config asks for and that are not done."""
  for measurement in MEASUREMENTS:
    gate = measurement.table
    if not measurement.asked(bench.config) or tables.exists(
      bench.workdir, gate
    ):
      continue
    measured = measurement.measure(bench)
    for name in sorted(measured, key=lambda name: name == gate):
      tables.write(bench.workdir, name, measured[name])


def _privacy(bench) -> Tables:
  """Guarantees that defences prove, and quantities that they report."""
  proved = privacy.privacy(bench.config, bench.setup)
  reported = privacy.reported(bench.setup.defense, bench.state)
  measured = {"privacy": proved}
  return {**measured, "defenses": reported} if reported else measured


def _alignment(bench) -> Tables:
  return {"alignment": alignment.measure(bench.setup, bench.metric)}


def _main(bench) -> Tables:
  predict = bench.setup.learner.predict
  return {"main": main_task.measure(bench.federation, predict, bench.metric)}


def _cost(bench) -> Tables:
  f = bench.federation
  inputs, size = tuple(f.dataset.test.inputs), bench.config.train.batch_size
  return {"cost": cost.table(f.net, inputs, size, f.passive)}


def _information(bench) -> Tables:
  config, f, progress = bench.config, bench.federation, bench.progress
  stages = {*config.information.epochs, config.train.epochs}
  progress.phase("information", 2 * len(stages))
  reason = information.impossible(config, f)
  if reason:
    bench.note(no_information=reason)
    return {}
  return {"information": information.measure(config, f, progress.advance)}


def _compensation(bench) -> Tables:
  config, progress = bench.config, bench.progress
  progress.phase("compensation", len(config.compensation) + 1)
  accuracy, probes = compensation.run(
    config,
    bench.setup,
    bench.federation,
    bench.setup.learner.predict,
    progress.advance,
  )
  return {"compensation": accuracy, "probes": probes}


class _Attacks(NamedTuple):
  """The attacks of a config.

  Attributes:
    labels: attacks on labels, by label of their entry.
    features: attacks on features, by label of their entry.
    rules: names in the registry, by label.
    skipped: reasons why attacks cannot run, by label.
  """

  labels: dict[str, base.Attack]
  features: dict[str, base.Attack]
  rules: dict[str, str]
  skipped: dict[str, str]


def _attacks(bench) -> _Attacks:
  """Select the attacks that can run; note budgets and reasons of the rest."""
  config, setup, net = bench.config, bench.setup, bench.federation.net
  offered = setting.of(config, setup.defense, net.cut, len(net.model.stages))
  chosen, rules, skipped = selection.chosen(
    config, offered, setup.defense.adaptive
  )
  budgets = {name: a.budget for name, a in chosen.items()}
  bench.note(skipped=skipped, budgets=budgets)
  features = {n: a for n, a in chosen.items() if a.features}
  labels = {n: a for n, a in chosen.items() if not a.features}
  return _Attacks(labels, features, rules, skipped)


def _exposure(bench) -> Tables:
  """Score how well the active party can rebuild features."""
  attacks, f = _attacks(bench).features, bench.federation
  if not attacks:
    return {}
  asked = bench.config.evaluate.exposure
  count = f.passive * len(asked) * len(attacks) * len(f.keys)
  bench.progress.phase("exposure", count)
  rows = exposure.measure(f, attacks, asked, bench.progress.advance)
  return {"exposure": [{"cut": f.net.cut, **r} for r in rows]}


def _leakage(bench) -> Tables:
  """Score every attack on labels beside its controls.

  For an active attack, the federation is trained again for each adversary, or
  its training goes on with the adversary in it.
  """
  config, f, progress = bench.config, bench.federation, bench.progress
  options, chosen = config.evaluate, _attacks(bench)
  attacks, skipped = chosen.labels, dict(chosen.skipped)
  if not attacks:
    return {}
  coalitions = [tuple(c) for c in options.coalitions]
  adversaries = [(k,) for k in range(f.passive)] + coalitions
  active = {n: a for n, a in attacks.items() if cases.is_active(a)}
  count = len(adversaries) * (2 + 2 * len(attacks) + len(active))
  progress.phase("attack", count)
  victims = evaluation_victims.Victims(
    config,
    bench.setup,
    f,
    bench.state,
    active,
    progress.advance,
    metric=bench.metric,
  )
  skipped |= victims.train(adversaries)
  attacks = {n: a for n, a in attacks.items() if n not in skipped}
  bench.note(skipped=skipped)
  if not attacks:
    return {}
  rows, by_class, curves = leakage.measure(
    f,
    attacks,
    aux_per_class=options.aux_per_class,
    draws=options.aux_draws,
    steps=max(options.attack_steps, options.ceiling_steps),
    metric=bench.metric,
    label_prior=options.label_prior,
    scratch=_scratch(bench, chosen.rules),
    coalitions=coalitions,
    victims=victims,
    advance=progress.advance,
  )
  bench.note(skipped=skipped | _silent(attacks, adversaries, rows))
  rules = chosen.rules
  rows = [
    {
      "cut": f.net.cut,
      **r,
      "rule": rules[r["attack"].removesuffix(tables.ORACLE)],
    }
    for r in rows
  ]
  measured = {"attacks": rows, "leakage": advantage.advantage(rows)}
  measured |= {"classes": by_class, **({"roc": curves} if curves else {})}
  return {"active": victims.rows, **measured} if victims.rows else measured


def _scratch(bench, rules) -> alone.Scratch | None:
  """The control of completion that trains its own bottom from scratch."""
  if not {"passive_completion", "active_completion"} & set(rules.values()):
    return None
  config, dataset = bench.config, bench.federation.dataset
  attack = label_attacks.build(
    "passive_completion",
    budget=config.evaluate.attack_steps,
    variants=(("finetuned", 1, 1.0),),
    shift=completion.SHIFT,
  )
  options = {k: v for k, v in config.model.items() if k not in ("name", "cut")}
  model = models.build(
    config.model.name,
    dataset.num_classes,
    vocabulary=dataset.vocabulary,
    **options,
  )
  content = ""
  if ":" not in config.model.name:  # else it is code of the user's
    content = identity.as_json(
      [config.model.name, options, dataset.num_classes, config.precision]
    )
  return alone.Scratch(attack, model, content)


def _silent(attacks, adversaries, rows):
  """Reasons, by label, of attacks without an answer for some adversary."""
  scored = [r for r in rows if r["primary"] and r["what"] == "attack"]
  answered = {(r["attack"], r["party"]) for r in scored}
  reasons = {}
  for name, attack in attacks.items():
    parties = [
      p for p in map(cases.named, adversaries) if (name, p) not in answered
    ]
    if parties:
      some = len(parties) < len(adversaries)
      reasons[name] = (
        "it gave no answer about any row"
        + (f" to parties {parties}" if some else "")
        + _why(attack)
      )
  return reasons


def _why(attack):
  """The likely reason why an attack gave no answer, to end a sentence with."""
  if attack.abstains:
    return "; it was not sure of any row"
  if "gradients" in attack.needs:
    return "; too few recorded rows got a gradient"
  return ""


MEASUREMENTS = (
  Measurement("privacy", lambda c: bool(c.defenses), _privacy),
  Measurement("alignment", lambda c: c.evaluate.alignment, _alignment),
  Measurement("main", lambda c: True, _main),
  Measurement("cost", lambda c: True, _cost),
  Measurement(
    "information", lambda c: bool(c.information.estimators), _information
  ),
  Measurement("probes", lambda c: bool(c.compensation), _compensation),
  Measurement("exposure", lambda c: bool(c.attacks), _exposure),
  Measurement("leakage", lambda c: bool(c.attacks), _leakage),
)
