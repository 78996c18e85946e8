"""Shapes and parameter counts of every architecture at every cut, by hand."""

from collections.abc import Sequence

from flax import linen as nn
import jax
import numpy as np
import pytest

from tests.helpers import examples
from vfl_jax.federation import cost
from vfl_jax.federation import split
from vfl_jax import models
from vfl_jax.models import stages as model_stages

C = examples.CLASSES
WIDTHS = [4, 2, 3]  # columns of the parties in `examples`


def dense(inputs, outputs):
  return inputs * outputs + outputs


def normed(inputs, outputs):
  """Dense and batch norm: weights, bias, scale, bias."""
  return dense(inputs, outputs) + 2 * outputs


def conv(size, inputs, outputs):
  """Convolution without bias, batch norm."""
  return size * size * inputs * outputs + 2 * outputs


def block(inputs, outputs, projected):
  return (
    conv(3, inputs, outputs)
    + conv(3, outputs, outputs)
    + (conv(1, inputs, outputs) if projected else 0)
  )


def tail(inputs):
  """Parameters of the tail's stages when the first sees `inputs` features.

  Embedding C, then norm-ReLU-dense with widths 2C, C, C, C. `inputs` are
  cumulative: only the first stage after a merge sees more than one party's.
  """
  widths = (2 * C, C, C, C)
  return [
    lambda d: dense(d, C),
    *(lambda d, w=w: 2 * d + dense(d, w) for w in widths),
  ], [C, *widths]


def by_hand(name, widths, cut):
  """Parameters of each party and of the top, from the definitions alone."""

  def chain(columns, counts, start, stop):
    """Walk stages [start:stop) from a slice of `columns`."""
    total, size = 0, columns
    for count, out in counts[start:stop]:
      total += count(size)
      size = out(size)
    return total, size

  counts = STAGES[name](widths)
  parties, sizes = [], []
  for k, width in enumerate(widths):
    total, size = chain(width, counts(k), 0, cut)
    parties.append(total)
    sizes.append(size)
  if cut == len(counts(0)):
    return parties, 0
  merged = MERGE[name](sizes) if cut else sum(widths)
  top, _ = chain(merged, counts(None), cut, len(counts(0)))
  return parties, top


def image_stages(stages_of_map):
  """Stages on maps 8 high: sizes are widths until flattened."""

  def build(widths):
    del widths
    functions, widths_out = tail(None)
    tail_stages = [(f, lambda d, w=w: w) for f, w in zip(functions, widths_out)]
    return lambda party: stages_of_map + tail_stages

  return build


def half(width):
  return -(-width // 2)


def mlp_stages(widths):
  del widths
  functions, outs = tail(None)
  stages = [
    (lambda w: normed(8 * w * 2, 5), lambda w: 5),
    (lambda d: normed(d, 4), lambda d: 4),
    *((f, lambda d, w=w: w) for f, w in zip(functions, outs)),
  ]
  return lambda party: stages


# after two poolings 8 rows are 2; a flattened map is 2 x width x channels
LENET = [
  (lambda w: conv(5, 2, 3), half),
  (lambda w: conv(5, 3, 4), half),
  (lambda w: normed(2 * w * 4, 7), lambda w: 7),
]
VGG = [
  (lambda w: conv(3, 2, 3) + conv(3, 3, 3), half),
  (lambda w: conv(3, 3, 4) + conv(3, 4, 4), half),
  (lambda w: normed(2 * w * 4, 5), lambda w: 5),
]


def resnet(width, groups):
  stages = [(lambda w: conv(3, 2, width), lambda w: w)]
  channels = width
  for g, blocks in enumerate(groups):
    for b in range(blocks):
      out = width * 2**g
      first = bool(g) and not b
      stages.append(
        (
          lambda w, i=channels, o=out, p=first: block(i, o, p),
          half if first else (lambda w: w),
        )
      )
      channels = out
  return [*stages, (lambda w: 0, lambda w, c=channels: c)]


def transformer_stages(widths):
  del widths
  d, functions_and = 8, tail(None)
  layer = 2 * 2 * d + 4 * dense(d, d) + dense(d, 2 * d) + dense(2 * d, d)
  stages = [
    (lambda length: 11 * d + length * d, lambda length: length),
    (lambda length: layer, lambda length: length),
    (lambda length: layer, lambda length: length),
    (lambda length: 2 * d, lambda length: d),
    *((f, lambda s, w=w: w) for f, w in zip(*functions_and)),
  ]
  return lambda party: stages


def deepfm_stages(widths):
  ids = 4  # vocabulary of a party; numeric fields are its width
  category = (2, 0, 1, 3)[: len(widths)]

  def stages(party):
    if party is None:
      heights = ids * len(widths) if sum(category) else 0
      fields = sum(widths) + sum(category)
    else:
      heights = ids if category[party] else 0
      fields = widths[party] + category[party]
    functions, outs = tail(None)
    return [
      (lambda w: (w + heights) * (3 + 1), lambda w, f=fields: f),
      (lambda f: 0, lambda f: 3 * f),
      (lambda d: normed(d, 5), lambda d: 5),
      (lambda d: dense(d + 1, C), lambda d: C),
      *((f, lambda s, w=w: w) for f, w in zip(functions[1:], outs[1:])),
    ]

  return stages


STAGES = {
  "mlp": mlp_stages,
  "lenet": image_stages(LENET),
  "vgg": image_stages(VGG),
  "resnet20": image_stages(resnet(4, (3, 3, 3))),
  "resnet18": image_stages(resnet(4, (2, 2, 2, 2))),
  "transformer": transformer_stages,
  "deepfm": deepfm_stages,
}
MERGE = dict.fromkeys(STAGES, sum)
CASES = [
  (name, cut, parties)
  for name in STAGES
  for parties in (2, 3)
  for cut in range(len(examples.build(name)[0].stages) + 1)
]


@pytest.mark.parametrize("name, cut, parties", CASES)
def test_parameter_counts_equal_hand_counts(name, cut, parties):
  model, inputs = examples.build(name, parties)
  got = cost.parameters(model, cut, inputs)
  assert got == by_hand(name, WIDTHS[:parties], cut)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("parties", [2, 3])
def test_every_cut_gives_logits_and_a_layer_per_stage(name, parties):
  model, inputs = examples.build(name, parties)
  for cut in range(len(model.stages) + 1):
    net = split.at(model, cut, parties)
    variables = net.init(jax.random.key(0), inputs)
    bottoms, top = jax.eval_shape(net.activations, variables, inputs)
    assert [len(b) for b in bottoms] == [cut + 1] * parties
    assert len(top) == len(model.stages) - cut + 1
    assert top[-1].shape == (examples.BATCH, C)


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("name", ["mlp", "lenet", "vgg", "resnet20"])
def test_every_norm(name, norm):
  model, inputs = examples.build(name, norm=norm)
  net = split.at(model, 2, 2)
  variables = examples.variables_of(net, inputs)
  h, stats = net.bottom(variables["bottoms"][0], inputs[0], train=True)
  assert bool(jax.tree.leaves(stats)) == (norm == "batch")
  assert np.isfinite(h).all()


def test_published_shapes_of_fu_et_al():
  """CIFAR-10: bottoms end in 10 outputs each, top 20-20-10-10-10."""
  model = models.build("resnet20", 10)
  x = (jax.ShapeDtypeStruct((2, 32, 16, 3), np.float32),) * 2
  net = split.at(model, model.reference_cut, 2)
  variables = net.init(jax.random.key(0), x)
  embedding = jax.eval_shape(net.bottom, variables["bottoms"][0], x[0])[0]
  assert embedding.shape == (2, 10)
  kernels = [
    v["Dense_0"]["kernel"].shape for v in variables["top"]["params"].values()
  ]
  assert kernels == [(20, 20), (20, 10), (10, 10), (10, 10)]
  criteo = models.build("mlp", 2, hidden=(64, 16), embedding=4, top=(8, 4))
  x = (jax.ShapeDtypeStruct((2, 4096), np.float32),) * 2
  net = split.at(criteo, criteo.reference_cut, 2)
  kernels = [
    v["Dense_0"]["kernel"].shape
    for v in net.init(jax.random.key(0), x)["top"]["params"].values()
  ]
  assert kernels == [(8, 8), (8, 4), (4, 2)]


def test_initial_kernels_have_he_scale_and_seeds_differ():
  model = models.build("mlp", 10, hidden=(400, 300))
  x = (np.zeros((2, 500), np.float32),)
  drawn = [split.at(model, 2, 1).init(jax.random.key(s), x) for s in (0, 0, 1)]
  kernels = [
    d["bottoms"][0]["params"]["dense1"]["Dense_0"]["kernel"] for d in drawn
  ]
  np.testing.assert_array_equal(kernels[0], kernels[1])
  assert np.abs(kernels[0] - kernels[2]).max() > 0.01
  # 200,000 draws: the standard deviation is known to 1 / sqrt(2n) = .16 %
  assert abs(kernels[0].std() / np.sqrt(2 / 500) - 1) < 0.01


def test_unknown_names_and_options_have_a_near_match():
  with pytest.raises(ValueError, match="did you mean 'resnet20'"):
    models.build("resnet2", 10)
  with pytest.raises(ValueError, match="did you mean 'hidden'"):
    models.build("mlp", 10, hiden=(3,))


@pytest.mark.parametrize("cut", [0, 1, 3, 7])
def test_traffic_and_work_of_the_mlp_are_those_counted_by_hand(cut):
  hidden, classes, widths, batch = (7, 6), 3, (4, 9), 5
  model = models.build("mlp", classes, norm="none", hidden=hidden)
  inputs = tuple(np.zeros((batch, w), np.float32) for w in widths)
  outs = (*hidden, classes, 2 * classes, classes, classes, classes)
  assert len(model.stages) == len(outs)
  rows = cost.table(split.at(model, cut, 2), inputs, batch)
  merged = sum(widths) if not cut else 2 * outs[cut - 1]
  for holder, start, stages, width in (
    ("party 0", widths[0], outs[:cut], 0),
    ("party 1", widths[1], outs[:cut], 1),
    ("active", merged, outs[cut:], None),
  ):
    work = [r for r in rows if r["holder"] == holder and r["stage"] != "wire"]
    assert len(work) == len(stages)
    for row, out in zip(work, stages, strict=True):
      assert row["parameters"] == start * out + out
      # products and sums; a bias and a ReLU besides
      assert 0 <= row["flops"] - 2 * start * out <= 3 * out
      assert row["activation_bytes"] == 4 * batch * out
      start = out
    if width is not None:
      (wire,) = [
        r for r in rows if (r["holder"], r["stage"]) == (holder, "wire")
      ]
      up = 4 * (outs[cut - 1] if cut else widths[width])
      assert (wire["up_bytes"], wire["down_bytes"]) == (up, up if cut else 0)
  own = cost.table(split.at(model, cut, 2), inputs, batch, passive=1)
  assert [r["holder"] for r in own if r["stage"] == "wire"] == ["party 0"]
  theirs = [r["flops"] for r in rows if r["holder"] == "party 1"][:cut]
  held = [r["flops"] for r in own if r["holder"] == "active, own features"]
  assert held == theirs


class Several(nn.Module):
  """A module with a field that is no key: a list."""

  widths: Sequence[int]

  @nn.compact
  def __call__(self, x, train):
    for width in self.widths:
      x = nn.Dense(width)(x)
    return x


def test_a_stage_whose_module_cannot_be_hashed_works():
  parts = model_stages
  chain = tuple(
    parts.Stage(f"s{i}", lambda party: Several([4, 3]), parts.features)
    for i in range(2)
  )
  model = parts.Model("own", chain, parts.raw, 1, 3, ("rows",))
  net = split.at(model, 1, 2)
  x = (np.ones((5, 2), np.float32),) * 2
  variables = net.init(jax.random.key(0), x)
  h = [
    net.bottom(v, a)[0] for v, a in zip(variables["bottoms"], x, strict=True)
  ]
  assert net.top(variables["top"], h).shape == (5, 3)


def test_a_module_of_the_user_has_its_own_initialisers():
  """Fields that name a law are obeyed, whatever a parameter is called."""
  parts = model_stages

  class Attention(nn.Module):
    @nn.compact
    def __call__(self, x, train):
      given = self.param("own", nn.initializers.constant(0.5), (2,))
      return nn.MultiHeadDotProductAttention(num_heads=8)(x) + given.sum()

  class Given(nn.Module):
    @nn.compact
    def __call__(self, x, train):
      zeros, ones = nn.initializers.zeros, nn.initializers.ones
      return nn.Dense(3, kernel_init=zeros, bias_init=ones, name="inner")(x)

  x = jax.ShapeDtypeStruct((2, 5, 256), np.float32)
  stage = parts.Stage("own", lambda party: Given(), parts.features)
  drawn, output = parts.init(stage, jax.random.key(0), x)
  assert (drawn["params"]["inner"]["kernel"] == 0).all()
  assert (drawn["params"]["inner"]["bias"] == 1).all()
  assert output.shape == (2, 5, 3)
  stage = parts.Stage("own", lambda party: Attention(), parts.features)
  params = parts.init(stage, jax.random.key(0), x)[0]["params"]
  assert (params["own"] == 0.5).all()
  query = params["MultiHeadDotProductAttention_0"]["query"]["kernel"]
  assert query.shape == (256, 8, 32)
  assert query.std() == pytest.approx(256**-0.5, rel=0.03)  # of its fan-in


@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet20", "transformer"])
def test_what_the_host_draws_has_the_law_of_the_module(name):
  """Ours are drawn by names: their own initialisers say the same."""
  model, inputs = examples.build(name)
  x, key = inputs[0], jax.random.key(3)
  described = lambda x: jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), x
  )
  for stage in model.stages[:3]:
    module = stage.module(0)
    drawn, output = model_stages.init(stage, key, x, 0)
    own = module.lazy_init(key, described(x), train=False)
    own = {"params": {}, "batch_stats": {}, **own}

    def alike(a, b):
      a, b = np.asarray(a), np.asarray(b)
      assert a.shape == b.shape
      if a.std() == 0 or b.std() == 0:
        np.testing.assert_array_equal(a, b)
      else:  # the error of a standard deviation, four times
        assert a.std() / b.std() == pytest.approx(1, abs=4 / a.size**0.5)
        assert abs(a.mean()) < 4 * b.std() / a.size**0.5

    jax.tree.map(alike, drawn["params"], own["params"])
    jax.tree.map(alike, drawn["stats"], own["batch_stats"])
    x = output
