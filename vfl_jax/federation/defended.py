"""What a defence of the active party does to one round of the protocol."""

from vfl_jax.defenses import base
from vfl_jax.federation import messages as federation_messages
from vfl_jax.federation import split


def quiet(defense, moment: base.Moment | None):
  """Whether nothing goes down in this round; None if that never happens."""
  if not defense.silent:
    return None
  assert moment is not None
  return defense.silent(moment.progress)


def disguised(net, defense, variables, inputs, targets, moment):
  """Inputs and targets of a batch as the defence changes them."""
  if defense.targets:
    codes = variables["top"]["stats"]["codes"]
    targets = defense.targets(codes, moment, targets)
  if defense.inputs:
    shares = split.one_hot(targets, net.model.num_classes)
    inputs, targets = defense.inputs(moment, inputs, shares)
  return inputs, targets


def release(net, defense, targets, moment, passive):
  """The class weights under which gradients go down; None if unchanged."""
  if not (defense.release and net.cut):
    return None
  assert moment is not None
  shares = split.one_hot(targets, net.model.num_classes)
  weights = defense.release(moment, shares)
  return federation_messages.Release(weights, passive)


def gradients(net, defense, state, done, targets, moment, passive):
  """The defended gradients that go down, and the defence's new state."""
  down = done.messages.gradients
  if defense.gradient is None or not net.cut:
    return down, state
  theirs, state = defense.gradient.update(
    down[:passive],
    state,
    labels=split.one_hot(targets, net.model.num_classes),
    rows=None if moment is None else moment.rows,
  )
  return (*theirs, *down[len(theirs) :]), state


def announced(defense, moment, size):
  """What all parties are told about the rows of a batch."""
  if not defense.pairs:
    return {}
  assert moment is not None
  pairs = defense.pairs(moment, size)
  return {"pairs": pairs._replace(partner=moment.rows[pairs.partner])}
