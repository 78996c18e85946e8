"""The protocol: what travels gives exactly the end-to-end gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import examples
from vfl_jax.defenses import base
from vfl_jax.federation import optimizers
from vfl_jax.federation import protocol
from vfl_jax.federation import split
from vfl_jax import models


def cuts(name):
  """Every cut; those inside are alike, and the fast tier takes one of them.

  Of small networks it takes both ends too, of the larger residual one nothing.
  Of the stages inside, every third stands for those beside it.
  """
  model, _ = examples.build(name)
  last = len(model.stages)
  inside = range(1, last, 3)
  fast = {model.reference_cut}
  if name in ("mlp", "lenet", "deepfm"):
    fast |= {0, 1, last} if name == "mlp" else {0, last}
  if name == "resnet18":
    fast = set()
  convolves_or_attends = name in ("resnet20", "transformer")
  as_users = {model.reference_cut} if convolves_or_attends else set()
  return [
    pytest.param(
      *(name, cut),
      marks=[
        *([] if cut in fast else [pytest.mark.slow]),
        *([pytest.mark.numbers] if cut in as_users else []),
      ],
    )
    for cut in sorted({0, *inside, model.reference_cut, last})
  ]


# resnet56 has the stages of resnet20, only more of them
CUTS = [
  case for name in models.MODELS if name != "resnet56" for case in cuts(name)
]


def end_to_end(net, variables, inputs, labels):
  """The loss as one function of all parameters, and its gradient."""

  def loss(params):
    h = []
    for k, x in enumerate(inputs):
      values = {**variables["bottoms"][k], "params": params["bottoms"][k]}
      h.append(net.bottom(values, x, train=True)[0])
    top = {**variables["top"], "params": params["top"]}
    return net.loss(net.forward(top, tuple(h))[0], labels)

  params = {
    "bottoms": tuple(v["params"] for v in variables["bottoms"]),
    "top": variables["top"]["params"],
  }
  return jax.value_and_grad(loss)(params)


def close(a, b):
  """Equal up to float32 sums in another order: 1e-5 of the scale."""
  jax.tree.map(
    lambda x, y: (
      np.testing.assert_allclose(
        x, y, rtol=0, atol=1e-5 * (1 + float(jnp.max(jnp.abs(y))))
      )
      if x.size
      else None
    ),
    a,
    b,
  )


@pytest.mark.parametrize("name, cut", CUTS)
def test_protocol_gradient_is_the_end_to_end_gradient(name, cut):
  model, inputs = examples.build(name)
  net = split.at(model, cut, 2)
  variables, labels = examples.variables_of(net, inputs), examples.labels()

  @jax.jit
  def one_round(variables):
    done = protocol.exchange(net, variables, inputs, labels)
    messages, pulls, top = done.messages, done.pulls, done.top_gradient
    if not cut:
      assert messages.gradients == (None, None)  # nothing comes down
      return done.loss, {"bottoms": ({}, {}), "top": top}
    bottoms = tuple(p(g) for p, g in zip(pulls, messages.gradients))
    return done.loss, {"bottoms": bottoms, "top": top}

  loss, gradients = one_round(variables)
  whole = jax.jit(lambda v: end_to_end(net, v, inputs, labels))
  expected_loss, expected = whole(variables)
  assert float(jnp.abs(expected_loss)) > 0.1
  close(loss, expected_loss)
  close(gradients, expected)


@pytest.mark.parametrize("parties", [1, 3])
@pytest.mark.parametrize("name", ["mlp", "lenet", "transformer", "deepfm"])
def test_any_number_of_parties(name, parties):
  model, inputs = examples.build(name, parties)
  net = split.at(model, 2, parties)
  variables, labels = examples.variables_of(net, inputs), examples.labels()

  @jax.jit
  def one_round(variables):
    done = protocol.exchange(net, variables, inputs, labels)
    down = done.messages.gradients
    bottoms = tuple(pull(g) for pull, g in zip(done.pulls, down))
    return {"bottoms": bottoms, "top": done.top_gradient}

  whole = jax.jit(lambda v: end_to_end(net, v, inputs, labels)[1])
  close(one_round(variables), whole(variables))


@pytest.mark.parametrize(
  "name",
  [
    "mlp",
    pytest.param("lenet", marks=pytest.mark.numbers),
    "transformer",
    "deepfm",
    pytest.param("resnet20", marks=pytest.mark.slow),
  ],
)
def test_parties_apart_equal_the_fused_step(name):
  """Separately jitted party functions, as a deployment would run them."""
  model, inputs = examples.build(name)
  net = split.at(model, 3, 2)
  variables, labels = examples.variables_of(net, inputs), examples.labels()
  rule = optimizers.build("sgd", learning_rate=0.1, steps=10)
  rules = optimizers.Optimizers.same(rule, net.parties)
  state = {
    "variables": variables,
    "optimizer": rules.init(variables),
    "defense": (),
  }
  fused, _, _ = jax.jit(
    lambda s: protocol.step(net, rules, base.Defense(), s, inputs, labels)
  )(state)

  forward = jax.jit(lambda v, x: net.bottom(v, x, train=True)[0])
  embeddings = tuple(
    forward(v, x) for v, x in zip(variables["bottoms"], inputs)
  )
  _, messages, _, _ = jax.jit(
    lambda v, h: protocol.active_step(net, v, h, labels)
  )(variables["top"], embeddings)

  @jax.jit
  def party(v, x, g):
    _, pull, _ = protocol.party_forward(net, v, x)
    change, _ = rule.update(pull(g), rule.init(v["params"]), v["params"])
    return jax.tree.map(jnp.add, v["params"], change)

  apart = tuple(
    party(v, x, g) for v, x, g in zip(variables["bottoms"], inputs, messages)
  )
  close(apart, tuple(v["params"] for v in fused["variables"]["bottoms"]))


def test_the_top_alone_holds_the_labels():
  """What goes up does not depend on the labels."""
  model, inputs = examples.build("mlp")
  net = split.at(model, 2, 2)
  variables = examples.variables_of(net, inputs)
  up = [
    protocol.exchange(net, variables, inputs, y).messages.embeddings
    for y in (examples.labels(), examples.labels() * 0)
  ]
  jax.tree.map(np.testing.assert_array_equal, *up)


@pytest.mark.parametrize("cut", [-1, 99])
def test_a_cut_out_of_range_is_refused(cut):
  model, _ = examples.build("mlp")
  with pytest.raises(ValueError, match=f"cut is {cut}; mlp has 7 stages"):
    split.at(model, cut, 2)
