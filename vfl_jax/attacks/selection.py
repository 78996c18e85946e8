"""Select the attacks that a config names and that can run."""

from vfl_jax import attacks
from vfl_jax.attacks import base
from vfl_jax.attacks import joined
from vfl_jax.config import entries


def chosen(config, setting, adaptive):
  """Selects the attacks that the config names and that can run here.

  Args:
    config: config of the experiment.
    setting: the `base.Setting` that the config offers to attacks.
    adaptive: attacks that know the config's defences, entries as in a config.

  Returns:
    The attacks by label, the name of each listed attack by label, and the
    reason of each attack that cannot run by label.
  """
  listed = entries.labelled(config.attacks)
  asked = {name for _, name, _ in listed} & set(entries.SETS)
  listed = [e for e in listed if e[1] not in asked]
  if "adaptive" in asked:
    listed_labels = [label for label, _, _ in listed]
    listed += [
      entry
      for entry in entries.labelled(adaptive)
      if entry[0] not in listed_labels
    ]
  if "all" in asked:
    named = [name for _, name, _ in listed]
    listed += [(n, n, {}) for n in attacks.ATTACKS if n not in named]
  chosen, rules, skipped = {}, {}, {}
  for label, name, options in listed:
    rules[label] = name
    attack = attacks.build(
      name,
      **{
        "budget": config.evaluate.attack_steps,
        "oracle": config.evaluate.oracle,
        **options,
      },
    )
    reason = missing(attack, setting)
    if reason:
      skipped[label] = reason
    else:
      chosen[label] = attack
      if attack.joins:
        rules[label + joined.SUFFIX] = name
        chosen[label + joined.SUFFIX] = joined.with_features(attack)
  return chosen, rules, skipped


def missing(attack: base.Attack, setting: base.Setting) -> str:
  """The reason why an attack cannot run in a setting; empty if it can."""
  needs = attack.needs
  if not setting.cut and {"gradients", "averages", "bottom"} & needs:
    what = (
      "the party has no bottom"
      if "bottom" in needs
      else "no gradient comes down"
    )
    return f"at cut 0 {what}; take model.cut of at least 1"
  for need, messages, what in (
    ("gradients", "per_sample", "cut gradients"),
    ("averages", "averaged", "averaged gradients of its own weights"),
  ):
    if need in needs and setting.messages != messages:
      return (
        f"it needs {what}; set record.messages={messages!r} and record.epochs, "
        "e.g. (0,)"
      )
  if "gradients" in needs and len(setting.epochs) < attack.epochs:
    return (
      f"it reads {attack.epochs} recorded epochs; record.epochs is "
      f"{setting.epochs}"
    )
  if "first epoch" in needs and 0 not in setting.epochs:
    return (
      "it reads the first epoch; take record.epochs with 0 (now "
      f"{setting.epochs})"
    )
  if "logits" in needs and setting.cut < setting.stages:
    return (
      "it reads the gradient of summed logits; take model.cut="
      f"{setting.stages}, after the last stage"
    )
  if "code" in needs and not setting.code:
    return "no defence trains on a code of the labels; take 'cae', for example"
  if "pairs" in needs and not setting.pairs:
    return "no defence mixes samples in pairs; take 'mixup'"
  if attack.optimizer and setting.optimizer != "sgd":
    return (
      "it amplifies the momentum of SGD; set train.optimizer='sgd' (now "
      f"{setting.optimizer!r})"
    )
  if "label_prior" in needs and not setting.label_prior:
    return "it needs the class shares; set evaluate.label_prior=True"
  return ""
