"""Combine several defences into one."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.defenses import base
from vfl_jax.runtime import memo
from vfl_jax.runtime import rng


@memo.shared
def chain(defenses: Sequence[base.Defense]) -> base.Defense:
  """One defence that applies the given ones in order at every port.

  Guarantees are not chained: they are asked of each defence by itself.

  Args:
    defenses: defences in the order in which they act.

  Raises:
    ValueError: when prepared, if a defence that prepares with labels follows
      one that replaced the labels by distributions.

  >>> from vfl_jax.defenses import build
  >>> chain([build("cut", advance=1), build("cut", advance=2)]).configure(
  ...   {"cut": 4}
  ... )
  {'cut': 1}
  """
  defenses = tuple(defenses)

  def configure(keywords):
    for function in _there(defenses, "configure"):
      keywords = function(keywords)
    return keywords

  def check(num_classes, kind):
    for function in _there(defenses, "check"):
      function(num_classes, kind)

  def only(port, combined):
    return combined(defenses) if _there(defenses, port) else None

  return base.Defense(
    name=", ".join(d.name for d in defenses),
    configure=configure,
    prepare=only("prepare", _prepared),
    inputs=only("inputs", _mixed),
    pairs=only("pairs", _announced),
    targets=only("targets", _targets),
    guard=only("guard", _guards),
    release=only("release", _released),
    gradient=only("gradient", _in_order),
    silent=only("silent", _silent),
    decode=only("decode", _decoded),
    code=only("code", _code),
    check=check,
    report=only("report", _reported),
    adaptive=tuple(
      {str(entry): entry for d in defenses for entry in d.adaptive}.values()
    ),
  )


def _there(defenses, port):
  """What the defences that act at a port have there, in order."""
  return [getattr(d, port) for d in defenses if getattr(d, port) is not None]


def _prepared(defenses):
  """The targets of each defence are the labels of the next; codes: a tuple."""

  def prepare(key, secrets):
    targets, codes = np.asarray(secrets.labels), []
    for i, defense in enumerate(defenses):
      if defense.prepare is None:
        codes.append(())
        continue
      if targets.ndim > 1:
        raise ValueError(
          f"defence {defense.name!r} follows one that has replaced the labels "
          "by distributions, and needs labels; put it first, or use only one "
          "of the two."
        )
      current = secrets._replace(labels=targets)
      prepared = defense.prepare(rng.stream(key, "defense", i), current)
      targets = prepared.targets
      codes.append(prepared.codes)
    return base.Prepared(targets, tuple(codes))

  return prepare


def _mixed(defenses):
  """Mixes inputs in order, each defence with a key of its own."""
  functions = _there(defenses, "inputs")

  def inputs(moment, x, targets):
    for i, function in enumerate(functions):
      x, targets = function(_of(moment, i), x, targets)
    return x, targets

  return inputs


def _announced(defenses):
  """The pairs of the only defence that mixes; None if there are several."""
  mixing = [d for d in defenses if d.inputs]
  # samples that are mixed twice have no single partner
  announced = mixing[0].pairs if len(mixing) == 1 else None
  if announced is None:
    return None
  return lambda moment, size: announced(_of(moment, 0), size)


def _of(moment, i):
  return moment._replace(key=rng.stream(moment.key, "inputs", i))


def _targets(defenses):
  """Each defence takes the targets of the one before, and its own codes."""

  def targets(codes, moment, labels):
    for d, defense_codes in zip(defenses, codes, strict=True):
      if d.targets:
        labels = d.targets(defense_codes, moment, labels)
    return labels

  return targets


def _guards(defenses):
  """Applies guards in order; every penalty acts on what the parties sent."""
  guards = _there(defenses, "guard")

  def init(key, embeddings, num_classes):
    return [
      g.init(rng.stream(key, "guard", i), embeddings, num_classes)
      if g.init
      else {}
      for i, g in enumerate(guards)
    ]

  def apply(params, embeddings, moment):
    total = jnp.float32(0.0)
    for i, (g, guard_params) in enumerate(zip(guards, params, strict=True)):
      if g.apply:
        now = moment and moment._replace(key=rng.stream(moment.key, "guard", i))
        embeddings, cost = g.apply(guard_params, embeddings, now)
        total += cost
    return embeddings, total

  def penalty(params, embeddings, targets, moment):
    total = jnp.float32(0.0)
    for g, guard_params in zip(guards, params, strict=True):
      if g.penalty:
        total += g.penalty(guard_params, embeddings, targets, moment)
    return total

  return base.Guard(init, apply, penalty)


def _released(defenses):
  """Releases in order, each defence with a key of its own."""
  functions = _there(defenses, "release")

  def release(moment, weights):
    for i, function in enumerate(functions):
      release_key = rng.stream(moment.key, "release", i)
      weights = function(moment._replace(key=release_key), weights)
    return weights

  return release


def _in_order(defenses):
  """`optax.chain`, but each state is initialised from its own key."""
  transformations = _there(defenses, "gradient")

  def init(start):
    return tuple(
      t.init(start._replace(key=rng.fold_in(start.key, i)))
      for i, t in enumerate(transformations)
    )

  def update(messages, state, params=None, **extra):
    following = []
    for transformation, s in zip(transformations, state, strict=True):
      messages, s = transformation.update(messages, s, params, **extra)
      following.append(s)
    return messages, tuple(following)

  return optax.GradientTransformationExtraArgs(init, update)


def _silent(defenses):
  """Nothing goes down once any of the defences sends nothing."""
  functions = _there(defenses, "silent")

  def silent(progress):
    stopped = jnp.bool_(False)
    for function in functions:
      stopped |= function(progress)
    return stopped

  return silent


def _decoded(defenses):
  """Decodes scores, the last defence first."""

  def decode(codes, scores):
    for d, defense_codes in reversed(list(zip(defenses, codes, strict=True))):
      if d.decode:
        scores = d.decode(defense_codes, scores)
    return scores

  return decode


def _code(defenses):
  """The code of the first defence that has one."""

  def code(codes):
    for d, defense_codes in zip(defenses, codes, strict=True):
      if d.code:  # its targets are distributions: no other code can follow
        return d.code(defense_codes)
    raise AssertionError(
      "no defence of this chain trains on a code of the labels"
    )

  return code


def _reported(defenses):
  """What every defence reports, under its name."""

  def report(state):
    states = iter(state)
    reported = {}
    for d in defenses:
      port_state = next(states) if d.gradient else None
      for quantity, values in (
        d.report(port_state) if d.report else {}
      ).items():
        reported[f"{d.name}: {quantity}"] = values
    return reported

  return report
