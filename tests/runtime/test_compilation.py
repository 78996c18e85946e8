"""What is compiled, and that nothing is compiled twice."""

from concurrent import futures
import multiprocessing
import sys

import jax
import jax.numpy as jnp
import pytest

import vfl_jax
from vfl_jax.experiments import dry_run
from vfl_jax.experiments import experiment
from vfl_jax.experiments import progress
from vfl_jax.experiments.validation import validate
from vfl_jax.federation import setup as federation_setup
from vfl_jax.federation import loop
from vfl_jax.runtime import compilation

pytestmark = pytest.mark.usefixtures("without_figures")


def config(**keys):
  """A tiny experiment without what has shapes of its own."""
  made = vfl_jax.defaults()
  made.update(seeds=2, compensation=())
  made.train.update(epochs=2, steps_per_epoch=2)
  made.information.update(estimators=("mine",), samples=100, steps=2)
  made.evaluate.update(attack_steps=2, ceiling_steps=2)
  made.update(keys)
  return made


def anew(made, folder):
  """What a run asks the compiler for that no earlier one has."""
  jax.clear_caches()
  before = compilation.ledger()
  result = vfl_jax.run(made, folder)
  spent = compilation.ledger().since(before)
  assert "programs in" in result.report.read_text("utf-8")
  return spent.programs - spent.found


def test_the_ledger_counts_programs():
  before = compilation.ledger()
  double = jax.jit(lambda x: 2 * x + jnp.float32(before.programs))
  x = jnp.ones(17)
  start = compilation.ledger()
  double(x)
  spent = compilation.ledger().since(start)
  assert spent.programs == 1 and 0 < spent.seconds < 60
  double(x)
  assert compilation.ledger().since(start) == spent
  assert str(spent).startswith("1 program in ")


def test_no_count_is_lost_between_threads():
  before = compilation.ledger()

  def count(_):
    for _ in range(2000):
      compilation._happened("/jax/compilation_cache/cache_hits")

  interval = sys.getswitchinterval()
  sys.setswitchinterval(1e-6)
  try:
    with futures.ThreadPoolExecutor(4) as threads:
      list(threads.map(count, range(4)))
  finally:
    sys.setswitchinterval(interval)
  assert compilation.ledger().since(before).found == 8000


def test_nothing_is_compiled_between_epochs(tmp_path):
  counts = []

  class Watcher(progress.Silent):
    def epoch(self, line):
      counts.append(compilation.ledger().programs)

  made = config(attacks=())
  made.train.epochs = 4
  vfl_jax.run(made, tmp_path / "run", Watcher())
  assert len(counts) == 4
  assert counts[0] == counts[-1]


class Asked(Exception):
  """Which program, before it is compiled."""


class Spy:
  """In the place of a compiled function of a learner."""

  def __init__(self, name):
    self.name = name

  def lower(self, *args):
    raise Asked(self.name)

  __call__ = lower


@pytest.mark.parametrize(
  ("recorded", "epochs", "expected"),
  [
    ((), 4, "epoch"),
    ((2,), 4, "recording_epoch"),
    ((2,), 12 + loop.RECORDED_MORE, "epoch"),  # few of many
  ],
)
def test_a_dry_run_compiles_what_the_training_begins_with(
  monkeypatch, tmp_path, recorded, epochs, expected
):
  made = config(attacks=("norm",) if recorded else ())
  made.train.epochs = epochs
  made.record.epochs = recorded
  made = validate.validate(made)
  initial = federation_setup.initial
  setup = federation_setup.prepare(made)
  spies = {n: Spy(n) for n in ("epoch", "recording_epoch")}
  spied = setup._replace(learner=setup.learner._replace(**spies))
  monkeypatch.setattr(federation_setup, "prepare", lambda config: spied)
  # what is kept has the shapes that the true one would give
  monkeypatch.setattr(
    federation_setup, "initial", lambda c, spied: initial(c, setup)
  )
  with pytest.raises(Asked) as reported:
    dry_run.dry_run(made)
  with pytest.raises(Asked) as begun:
    experiment.run(made, tmp_path / "run")
  assert reported.value.args == begun.value.args == (expected,)


def counts(folder):
  """New programs of a first run, of other seeds, of an attack named twice."""
  twice = ("passive_completion", {"name": "passive_completion", "label": "b"})
  made = [config(), config(seed=7), config(attacks=twice)]
  for one in made:
    # which columns of a layer vary, and so its width, depends on the training
    one.information.estimators = ()
  names = ("first", "other seeds", "twice")
  return [anew(one, folder / name) for one, name in zip(made, names)]


@pytest.mark.slow
def test_nothing_is_compiled_for_other_seeds_or_an_attack_of_one_shape(
  tmp_path, monkeypatch
):
  """In a process of its own, which remembers nothing of other tests."""
  monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
  # a control that is found on disk would compile nothing
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "controls"))
  context = multiprocessing.get_context("spawn")
  with futures.ProcessPoolExecutor(1, context) as process:
    first, *others = process.submit(counts, tmp_path).result()
  assert first > 5 and others == [0, 0]
