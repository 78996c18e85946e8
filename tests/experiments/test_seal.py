"""What attacks and controls can see, and what they cannot."""

import inspect
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from configs.shared import common
from tests.helpers import seen
from vfl_jax import attacks as the_attacks
from vfl_jax.config import files as config_files
from vfl_jax.config import schema
from vfl_jax.data import base
from vfl_jax.evaluation import controls
from vfl_jax.evaluation import leakage
from vfl_jax.evaluation import seal
from vfl_jax.experiments import experiment
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import views as federation_views
from vfl_jax.results import status as result_status
from vfl_jax.results import tables
from tests.helpers import tiny


def test_labels_stay_sealed_while_attacks_run(finished, monkeypatch):
  """Whatever reads the federation's labels inside `leakage` raises."""
  run = experiment.load(finished)
  views, seen = federation_views.Federation.views, []

  def curious(self, *args):
    for examples in (self.dataset.train, self.dataset.test):
      for read in (np.asarray, len, lambda y: y[0]):
        with pytest.raises(seal.SealedError, match="attack"):
          read(examples.labels)
        seen.append(1)
    return views(self, *args)

  monkeypatch.setattr(federation_views.Federation, "views", curious)
  attack = the_attacks.build("passive_completion", budget=1)
  rows, *_ = leakage.measure(
    run.federation,
    {"attack": attack},
    aux_per_class=1,
    draws=1,
    steps=1,
    metric="accuracy",
  )
  assert len(seen) == 2 * 6 and rows


def test_no_vfl_is_a_bottom_that_never_took_part(tmp_path):
  """A planted bottom knows the label, and the control does not profit."""
  generator = np.random.default_rng(0)
  frame = pd.DataFrame(generator.normal(size=(600, 20)))
  frame.columns = [f"x{k}" for k in range(20)]
  frame["label"] = (frame["x0"] * frame["x1"] > 0).astype(int)
  path = tmp_path / "xor.csv"
  frame.to_csv(path, index=False)
  config = common.experiment("tiny", "step")
  values = {"data.name": "file", "data.path": str(path), "seeds": 2}
  config_files.assign(config, values)
  config.model = schema.model("mlp", cut=1, hidden=(8,), norm="none")
  config = validate.validate(config)
  setup = federation_setup.prepare(config)
  state, kept = federation_setup.initial(config, setup)
  variables = state["variables"]
  own = next(iter(variables["bottoms"][0]["params"].values()))["Dense_0"]
  fresh = controls.untrained(setup.net, 0, setup.keys, setup.inputs)
  # four units that tell whether two features have the same sign
  planted = np.zeros(own["kernel"].shape, np.float32)
  planted[:, :2, :4] = [[1, -1, 1, -1], [1, -1, -1, 1]]
  variant = (("frozen", 0, 0.1),)
  attack = the_attacks.build("passive_completion", steps=400, variants=variant)

  def scores(bottom):
    bottoms = (bottom, *variables["bottoms"][1:])
    f = federation_views.trained(
      config, setup, {**variables, "bottoms": bottoms}, kept
    )
    found = pd.DataFrame(
      leakage.measure(
        f,
        {"completion": attack},
        aux_per_class=20,
        draws=1,
        steps=1,
        metric="accuracy",
      ).rows
    )
    found = found[found["primary"] & (found["party"] == 0)]
    return found.groupby("what")["value"].mean()

  outer = {
    name: {"Dense_0": {**layer["Dense_0"], "kernel": jnp.asarray(planted)}}
    for name, layer in variables["bottoms"][0]["params"].items()
  }
  leaky = scores({**variables["bottoms"][0], "params": outer})
  assert leaky["attack"] > 0.9
  assert leaky["no-VFL"] < 0.7
  honest = scores(fresh)
  assert honest["attack"] < 0.7
  assert honest["no-VFL"] == pytest.approx(leaky["no-VFL"], abs=1e-6)


def test_the_control_s_normalisation_has_seen_the_party_s_features():
  """Running statistics of an untrained bottom are of its layers on x_k."""
  config = tiny.tiny()
  setup = federation_setup.prepare(config)
  fresh = controls.untrained(setup.net, 0, setup.keys, setup.inputs)
  again = controls.untrained(setup.net, 0, setup.keys, setup.inputs)
  jax.tree.map(np.testing.assert_array_equal, fresh, again)
  one = jax.tree.map(lambda a: a[0], fresh)
  _, batch = setup.net.bottom(one, setup.inputs[0], train=True)
  for kept, now in zip(
    jax.tree.leaves(one["stats"]), jax.tree.leaves(batch), strict=True
  ):
    # a step of a tenth towards all rows changes little
    np.testing.assert_allclose(kept, now, rtol=0.2, atol=0.1)
  # identical rows have no variance: of the initial one .9^30 = .04 would be
  # left, and float32 rounds it to 1e-6
  alike = [np.repeat(x[:1], len(x), axis=0) for x in setup.inputs]
  fresh = controls.untrained(setup.net, 0, setup.keys, alike)
  stats = jax.tree.leaves_with_path(fresh["stats"])
  spread = [a for path, a in stats if path[-1].key == "var"]
  assert spread and np.abs(np.concatenate(spread, -1)).max() < 1e-5


def reachable(thing, path="view", seen=None):
  """Every object that can be had from another by attributes, and its path."""
  seen = {} if seen is None else seen
  if id(thing) in seen or isinstance(thing, (str, bytes, int, float, type)):
    return
  seen[id(thing)] = thing  # held, or another could get its number
  yield path, thing
  if isinstance(thing, (np.ndarray, jax.Array)) or inspect.ismodule(thing):
    return
  found = {}
  if isinstance(thing, dict):
    found = {f"[{k!r}]": v for k, v in thing.items()}
  elif isinstance(thing, (tuple, list, set, frozenset)):
    found = {f"[{i}]": v for i, v in enumerate(thing)}
  for name in ("__closure__", "__wrapped__", "__self__", "__func__"):
    found[f".{name}"] = getattr(thing, name, None)
  for name in ("func", "args", "keywords", "cell_contents", "__defaults__"):
    found[f".{name}"] = getattr(thing, name, None)
  found.update({f".{k}": v for k, v in getattr(thing, "__dict__", {}).items()})
  for name, own in found.items():
    yield from reachable(own, path + name, seen)


def test_no_path_of_attributes_leads_from_a_view_to_the_labels(finished):
  f = experiment.load(finished).federation
  closed = seal.close(f, ["attack"])
  rows = [closed.auxiliary(k, 1) for k in f.keys]
  aux_rows, aux_labels = (np.stack(a) for a in zip(*rows))
  truths = [np.asarray(getattr(f.dataset, s).labels) for s in ("train", "test")]
  f = seal.under(closed, f)

  def leaks(view):
    found = []
    for path, thing in reachable(view):
      if isinstance(thing, (seal.Sealed, seal.Labels, base.Examples)):
        found.append(path)
      if isinstance(thing, (np.ndarray, jax.Array)):
        flat = np.asarray(thing).ravel() if thing.dtype != f.keys.dtype else []
        found += [
          path
          for truth in truths
          if len(flat) == len(truth) and (flat == truth).all()
        ]
    return found

  for members in ((0,), (0, 1)):
    view = f.views(members, aux_rows, aux_labels)
    assert len(list(reachable(view))) > 50
    assert not leaks(view)
  # the search does find what is hidden in a closure
  hidden = truths[0].copy()
  public = view.public._replace(bottom=lambda v, x: hidden)
  assert leaks(seen.replaced(view, public=public))
  assert leaks(seen.replaced(view, embeddings={0: f.dataset.train}))


@pytest.mark.slow
@pytest.mark.parametrize("messages", ["per_sample", "averaged"])
def test_whoever_knows_a_code_decodes_with_it(tmp_path, messages):
  config = tiny.tiny(model__cut=6, record__samples=120, evaluate__aux_draws=2)
  config.defenses = ("cae", {"name": "gaussian", "scale": 1e-6})
  config.attacks = ("adaptive",)
  config.record.messages = messages
  config.compensation = ()
  config.information.estimators = ()
  experiment.run(validate.validate(config), tmp_path)
  met = set(tables.read(tmp_path, "leakage")["attack"])
  one, other = "decoding direct", "decoding batch_inversion"
  if messages == "averaged":
    one, other = other, one
  assert one in met and other in result_status.status(tmp_path)["skipped"]
  config.attacks = ({"name": "direct", "code": True},)
  config.defenses = ()
  config.record.messages = "per_sample"
  with pytest.raises(ValueError, match="no defence trains on a code"):
    validate.validate(config)
