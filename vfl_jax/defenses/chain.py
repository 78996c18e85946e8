"""Combine several defences into one."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import optax

from vfl_jax.defenses import base
from vfl_jax.runtime import rng


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

  def there(port):
    return [getattr(d, port) for d in defenses if getattr(d, port) is not None]

  def configure(keywords):
    for function in there("configure"):
      keywords = function(keywords)
    return keywords

  def check(num_classes, kind):
    for function in there("check"):
      function(num_classes, kind)

  mixing = [(d.inputs, d.pairs) for d in defenses if d.inputs]

  def inputs(moment, x, targets):
    for i, (function, _) in enumerate(mixing):
      x, targets = function(_of(moment, i), x, targets)
    return x, targets

  def pairs(moment, size):
    announced = mixing[0][1]
    assert announced is not None
    return announced(_of(moment, 0), size)

  def targets(codes, moment, labels):
    for d, defense_codes in zip(defenses, codes, strict=True):
      if d.targets:
        labels = d.targets(defense_codes, moment, labels)
    return labels

  def release(moment, weights):
    for i, function in enumerate(there("release")):
      release_key = rng.stream(moment.key, "release", i)
      weights = function(moment._replace(key=release_key), weights)
    return weights

  def silent(progress):
    stopped = jnp.bool_(False)
    for function in there("silent"):
      stopped |= function(progress)
    return stopped

  def decode(codes, scores):
    for d, defense_codes in reversed(list(zip(defenses, codes, strict=True))):
      if d.decode:
        scores = d.decode(defense_codes, scores)
    return scores

  def code(codes):
    for d, defense_codes in zip(defenses, codes, strict=True):
      if d.code:  # its targets are distributions: no other code can follow
        return d.code(defense_codes)
    raise AssertionError(
      "no defence of this chain trains on a code of the labels"
    )

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

  gradients = there("gradient")
  only = lambda port, function: function if there(port) else None
  return base.Defense(
    name=", ".join(d.name for d in defenses),
    configure=configure,
    prepare=_prepared(defenses) if there("prepare") else None,
    inputs=only("inputs", inputs),
    # samples that are mixed twice have no single partner
    pairs=pairs if len(mixing) == 1 and mixing[0][1] else None,
    targets=only("targets", targets),
    guard=_guards(there("guard")) if there("guard") else None,
    release=only("release", release),
    gradient=_in_order(gradients) if gradients else None,
    silent=only("silent", silent),
    decode=only("decode", decode),
    code=only("code", code),
    check=check,
    report=only("report", report),
    adaptive=tuple(
      {str(entry): entry for d in defenses for entry in d.adaptive}.values()
    ),
  )


def _of(moment, i):
  return moment._replace(key=rng.stream(moment.key, "inputs", i))


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


def _guards(guards):
  """Applies guards in order; every penalty acts on what the parties sent."""

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


def _in_order(transformations):
  """`optax.chain`, but each state is initialised from its own key."""

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
