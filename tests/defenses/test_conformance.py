"""Every defence: trains, refuses, chains; no strength is no defence."""

import functools
import itertools
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from vfl_jax import attacks
from vfl_jax.config import entries
from vfl_jax.config import registry
from vfl_jax import defenses
from vfl_jax.defenses import base
from vfl_jax.defenses import chain
from vfl_jax.defenses import labels as defense_labels
from vfl_jax.defenses import transforms
from vfl_jax.federation import loop
from vfl_jax.runtime import rng
from tests.helpers import defended


# strengths at which a defence does nothing at all
IDENTITIES = {
  "cut": {"advance": 0},
  "gaussian": {"scale": 0.0},
  "laplace": {"scale": 0.0},
  "isotropic": {"ratio": 0.0},
  "perpendicular": {"low": 0.0, "high": 0.0},
  "marvell": {"strength": 0.0},
  "compression": {"share": 1.0},
  "sparsification": {"share": 1.0},
  "mid": {"weight": 0.0},
  "dcor": {"weight": 0.0},
  "peloss": {"weight": 0.0},
  "adversarial": {"weight": 0.0},
}


FOR_TWO = ("marvell",)


@functools.lru_cache
def one_of_them(name):
  """What tests of every defence share: the federation of its default."""
  quick = {"name": name, **({"steps": 100} if name == "cae" else {})}
  return defended.federation(
    (quick,), 2 if name in FOR_TWO else defended.CLASSES
  )


@functools.cache
def code_of(classes, find=defense_labels._code):
  """A code as `cae` would find it, of a shorter training."""
  return find(rng.root(0), classes, 1.0, 100, 1e-3)


def test_parties_and_vmapped_seeds_draw_apart():
  transformation = defenses.build("gaussian", scale=1.0).gradient
  both = (jnp.zeros((50, 40)), jnp.zeros((50, 40)))

  def one(key):
    state = transformation.init(base.Start(key, both, 50))
    return transformation.update(both, state)[0]

  draws = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 2))
  flat = [np.ravel(d[s]) for d in draws for s in range(2)]
  for a, b in itertools.combinations(flat, 2):
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.11  # 5 / sqrt(n)


BAD = [
  ("gaussian", {"scale": -1.0}, "at least 0"),
  ("laplace", {"clip": -1.0}, "at least 0"),
  ("isotropic", {"ratio": -0.5}, "at least 0"),
  ("perpendicular", {"low": 3.0, "high": 2.0}, "at least 3"),
  ("grad_perturb", {"epsilon": 0.0}, "above 0"),
  ("marvell", {"strength": -1.0}, "at least 0"),
  ("compression", {"share": 0.0}, "at most 1"),
  ("compression", {"share": 1.5}, "at most 1"),
  ("sparsification", {"share": -0.1}, "at most 1"),
  ("discrete", {"bins": 7}, "even number"),
  ("discrete", {"bound": 0.0}, "above 0"),
  ("sign", {"size": -1.0}, "at least 0"),
  ("ppdl", {"share": 2.0}, "at most 1"),
  ("ppdl", {"epsilon": 0.0}, "above 0"),
  ("label_dp", {"epsilon": 0.0}, "above 0"),
  ("kdk", {"k": 1}, "at least 2"),
  ("kdk", {"k": 2, "epsilon": 0.5}, "most likely class"),
  ("cae", {"confusion": 3.0}, "0 to 2"),
  ("lcd", {"share": 1.0}, "below 1"),
  ("mid", {"weight": -1.0}, "at least 0"),
  ("dcor", {"weight": -1.0}, "at least 0"),
  ("peloss", {"weight": -1.0}, "at least 0"),
  ("adversarial", {"hidden": 0}, "at least 1"),
  ("mixup", {"alpha": 0.0}, "above 0"),
  ("cut", {"advance": -1}, "at least 0"),
]


@pytest.mark.parametrize(("name", "options", "said"), BAD)
def test_bad_strengths_are_refused_with_the_range(name, options, said):
  with pytest.raises(ValueError, match=said):
    defenses.build(name, **options)


def test_defences_that_do_not_apply_are_refused():
  for name, classes, kind, said in (
    ("marvell", 10, "rows", "two classes"),
    ("lcd", 5, "rows", "even number"),
    ("lcd", 2, "rows", "even number"),
    ("kdk", 2, "rows", "2 to 2"),
    ("mixup", 2, "tokens", "ids"),
  ):
    with pytest.raises(ValueError, match=said):
      defenses.build(name).check(classes, kind)
  both = chain.chain([defenses.build("cae"), defenses.build("kdk")])
  with pytest.raises(ValueError, match="needs labels"):
    both.prepare(rng.root(0), base.Secrets(np.arange(8) % 4, 4))


@pytest.mark.parametrize("name", defenses.DEFENSES)
def test_every_defence_trains_in_one_program(name):
  classes = 2 if name in FOR_TWO else defended.CLASSES
  learner, state, args = one_of_them(name)
  state = jax.tree.map(jnp.copy, state)  # it is donated
  for epoch in range(2):
    state, metrics = learner.epoch(state, *args, epoch)
    assert np.isfinite(metrics["loss"]).all()
  assert loop.finite(state["variables"]).all()
  scores = learner.predict(state["variables"], args[0])
  assert scores.shape == (2, defended.N, classes) and np.isfinite(scores).all()
  assert learner.epoch._cache_size() == 1
  built = defenses.build(name)
  for _, attack, own in entries.labelled(built.adaptive):
    attacks.build(attack, **{"budget": 9, **own})


@pytest.mark.parametrize("name", defenses.DEFENSES)
def test_batches_of_one_class_are_no_trouble(name):
  learner, state, (inputs, targets, keys) = one_of_them(name)
  state = jax.tree.map(jnp.copy, state)
  if targets.ndim > 2:
    targets = jnp.broadcast_to(targets[:, :1], targets.shape)
  else:
    targets = jnp.zeros_like(targets)
  state, metrics = learner.epoch(state, inputs, targets, keys, 0)
  assert np.isfinite(metrics["loss"]).all()
  assert loop.finite(state["variables"]).all()


def trained(names, classes):
  """Where two epochs end."""
  learner, state, args = defended.federation(names, classes)
  for epoch in range(2):
    state, _ = learner.epoch(state, *args, epoch)
  return jax.tree.map(np.asarray, state["variables"])


undefended = functools.cache(functools.partial(trained, ()))


@pytest.mark.parametrize("name", IDENTITIES)
def test_no_strength_is_no_defence_bit_for_bit(name):
  classes = 2 if name in FOR_TWO else defended.CLASSES
  found = trained(({"name": name, **IDENTITIES[name]},), classes)
  jax.tree.map(np.testing.assert_array_equal, found, undefended(classes))


# each of both at least once; the slow tier has the others
OFTEN = {
  ("compression", "transformer"),
  ("gaussian", "deepfm"),
  ("mid", "lenet"),
  ("fedpass", "transformer"),
}


@pytest.mark.parametrize(
  "name, model",
  [
    pytest.param(*case, marks=[] if case in OFTEN else [pytest.mark.slow])
    for case in itertools.product(
      ("compression", "mid", "gaussian", "fedpass"),
      ("lenet", "transformer", "deepfm"),
    )
  ],
)
def test_messages_that_are_not_flat_are_defended_too(name, model):
  learner, state, args = defended.federation((name,), model=model, cut=2)
  state, metrics = learner.epoch(state, *args, 0)
  assert np.isfinite(metrics["loss"]).all()


def test_a_mask_travels_along_untouched():
  message = {"x": defended.normal((4, 3, 2)), "mask": jnp.ones((4, 3))}
  matrix, back = transforms.rows(message)
  assert matrix.shape == (4, 6)
  out = back(matrix + 1)
  np.testing.assert_array_equal(out["mask"], message["mask"])
  np.testing.assert_allclose(out["x"], message["x"] + 1, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("first", defenses.DEFENSES)
def test_every_pair_goes_together_or_is_refused(first, monkeypatch):
  """Traced for one seed, not run: shapes, ports, codes, in both orders."""
  monkeypatch.setattr(
    defense_labels, "_code", lambda key, classes, *_: code_of(classes)
  )
  soft = {"kdk", "cae", "dcae"}
  for second in defenses.DEFENSES:
    two = {first, second} & set(FOR_TWO)
    classes = 2 if two else defended.CLASSES
    pair = ({"name": first}, {"name": second})
    if two:
      pair = tuple(
        {**p, "k": 2, "epsilon": 0.4} if p["name"] == "kdk" else p for p in pair
      )
      if "lcd" in (first, second):
        continue  # one wants two classes, the other four
    if first == "cut" == second:
      pair = ({"name": "cut"},)
    labels = {"label_dp", "lcd"} | soft
    if first in soft and second in labels:
      with pytest.raises(ValueError, match="needs labels"):
        defended.federation(pair, classes, seeds=1)
      continue
    if first == "lcd" and second in soft:
      with pytest.raises(ValueError, match="needs hard labels"):
        learner, state, args = defended.federation(pair, classes, seeds=1)
        jax.eval_shape(learner.epoch, state, *args, 0)
      continue
    learner, state, args = defended.federation(pair, classes, seeds=1)
    after, metrics = jax.eval_shape(learner.epoch, state, *args, 0)
    assert metrics["loss"].shape == (1,)
    same = lambda a, b: a.shape == b.shape and a.dtype == b.dtype
    assert all(jax.tree.leaves(jax.tree.map(same, after, state)))


def test_the_registry_checks_kinds():
  with pytest.raises(ValueError, match="did you mean 'gaussian'"):
    registry.lookup(defenses.DEFENSES, "defense", "gausian")
  with pytest.raises(ValueError, match="it takes"):
    defenses.build("max_norm", noise="sideways")
