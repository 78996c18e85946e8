"""One experiment from config to report: the only orchestration there is."""

from collections.abc import Mapping
import functools
import os
import pathlib
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vfl_jax import attacks as attack_registry
from vfl_jax import checkpoint
from vfl_jax import config as configs
from vfl_jax import console
from vfl_jax import cost
from vfl_jax import data
from vfl_jax import defenses as defense_registry
from vfl_jax import evaluate
from vfl_jax import mapping
from vfl_jax import models
from vfl_jax import nets
from vfl_jax import report
from vfl_jax import rng
from vfl_jax import split
from vfl_jax import tables
from vfl_jax import tasks
from vfl_jax import train
from vfl_jax import types
from vfl_jax.information import probe


class Refused(ValueError):
  """The data are not what the config says: one sentence for the user."""


class Diverged(RuntimeError):
  """A loss turned non-finite; what was done before is intact."""


class Run(NamedTuple):
  """A finished run, to predict and attack with.

  Attributes:
    config: as validated.
    federation: the split model, its variables (a seed axis first), the data,
      and what every party saw.
    predict: `predict(inputs) -> logits [seeds, n, classes]`, inputs a tuple
      over parties.
  """

  config: Any
  federation: evaluate.Federation
  predict: Any


class _Setup(NamedTuple):
  """Everything that follows from the config and the data."""

  dataset: types.Dataset
  net: split.Net
  learner: train.Learner
  targets: jax.Array
  keys: jax.Array
  inputs: tuple
  recorded_rows: np.ndarray
  passive: int


def run(
  config: Any,
  workdir: str | os.PathLike[str],
  progress: Any = None,
) -> pathlib.Path:
  """Train, probe, attack and report; resume what is half done.

  Args:
    config: from `config.validate`.
    workdir: created if need be; holds one config's run.
    progress: a `console.Progress`; silent by default.

  Returns:
    The path of the report.

  Raises:
    Refused: the workdir belongs to another config or cannot be written, or
      the data cannot be read, split or partitioned as asked.
    Diverged: the training loss turned non-finite; status.json says so.
  """
  workdir = open_workdir(config, workdir)
  progress = progress or console.Silent()
  if tables.status(workdir).get("state") == "done":
    return workdir / "report.html"
  use_cache()
  jax.config.update("jax_default_matmul_precision", config.precision)
  started = time.time()
  tables.set_status(workdir, "running", digest=configs.digest(config))
  try:
    progress.phase("data", 1)
    setup = _prepare(config)
    state, recorded = _train(config, workdir, setup, progress)
    federation = _federation(config, setup, state["variables"], recorded)
    _score_main(config, workdir, federation, setup.learner.predict)
    _probe(config, workdir, federation, progress)
    _attack(config, workdir, federation, progress)
    progress.phase("report", 1)
    spent = tables.status(workdir).get("seconds", 0) + time.time() - started
    tables.set_status(
      workdir,
      "done",
      seconds=round(spent, 1),
      backend=jax.default_backend(),
      devices=str(jax.devices()[0].device_kind),
      cores=os.cpu_count(),
      notes=list(federation.dataset.notes),
      sizes={
        s: len(getattr(federation.dataset, s).labels)
        for s in ("train", "validation", "test")
      },
    )
    path = report.write(workdir)
    progress.finish()
    return path
  except Diverged as error:
    tables.set_status(workdir, "diverged", reason=str(error))
    raise
  except Exception as error:
    tables.set_status(
      workdir, "failed", reason=f"{type(error).__name__}: {error}"
    )
    raise


def load(workdir: str | os.PathLike[str]) -> Run:
  """A run from its workdir, as it was after training.

  Raises:
    FileNotFoundError: no run or no checkpoint there.
  """
  workdir = pathlib.Path(workdir)
  if not (workdir / "config.json").is_file():
    raise FileNotFoundError(f"{workdir} holds no run: config.json is missing.")
  config = configs.from_json((workdir / "config.json").read_text("utf-8"))
  setup = _prepare(config)
  state, recorded = _initial(config, setup)
  checkpoints = checkpoint.Checkpoints(workdir / "checkpoints")
  restored = checkpoints.restore({"state": state, "recorded": recorded})
  checkpoints.close()
  if restored is None:
    raise FileNotFoundError(f"{workdir} holds no checkpoint to load.")
  contents = restored[1]
  variables = contents["state"]["variables"]
  federation = _federation(config, setup, variables, contents["recorded"])
  return Run(
    config,
    federation,
    lambda inputs: setup.learner.predict(variables, tuple(inputs)),
  )


def open_workdir(
  config: Mapping[str, Any], workdir: str | os.PathLike[str]
) -> pathlib.Path:
  """Create the folder or check that it belongs to this config.

  Raises:
    Refused: it belongs to another config, or cannot be written.
  """
  workdir = pathlib.Path(workdir)
  text = configs.as_json(config)
  path = workdir / "config.json"
  try:
    if path.is_file():
      before = configs.from_json(path.read_text("utf-8"))
      odd = _difference(before.to_dict(), configs.from_json(text).to_dict())
      if odd:
        raise Refused(
          f"workdir {workdir} belongs to another config ({odd}); give "
          "another --workdir, or remove it."
        )
    tables.write_text(path, text)
  except OSError as error:
    raise Refused(
      f"workdir {workdir} cannot be written ({error.strerror}); give another"
      " --workdir."
    ) from error
  return workdir


def use_cache() -> None:
  """Keep compiled programs between processes, in the user's cache folder.

  JAX_COMPILATION_CACHE_DIR names another folder; empty switches it off.
  """
  default = pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache"
  ).expanduser()
  folder = os.environ.get(
    "JAX_COMPILATION_CACHE_DIR", str(default / "vfl_jax" / "programs")
  )
  if folder:
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def dry_run(config: Any) -> None:
  """Print stages, shapes, parameters, memory, FLOPs and bytes on the wire."""
  setup = _prepare(config)
  rows = cost.table(setup.net, setup.inputs, config.train.batch_size)
  state, recorded = _initial(config, setup)
  stored = lambda tree: sum(a.nbytes for a in jax.tree.leaves(tree))
  activations = sum(r["activation_bytes"] for r in rows)
  n = len(setup.targets[0])
  steps = _steps(config, n)
  up = sum(r["up_bytes"] for r in rows)
  down = sum(r["down_bytes"] for r in rows)
  rounds = steps * config.train.epochs * config.train.batch_size
  console.dry_run(
    rows,
    {
      "cut": f"{setup.net.cut} of {len(setup.net.model.stages)} stages "
      f"(reference {setup.net.model.reference_cut})",
      "rows": f"{n} train, {len(setup.dataset.validation.labels)} validation, "
      f"{len(setup.dataset.test.labels)} test",
      "steps": f"{steps} per epoch, {config.train.epochs} epochs, "
      f"{config.seeds} seeds",
      "memory": f"data {console.size(stored(setup.inputs))}, state "
      f"{console.size(stored((state, recorded)))} ({config.seeds} "
      "seeds), activations "
      f"{console.size(activations)} a seed and step",
      "on the wire": f"{console.size(up * rounds)} up, "
      f"{console.size(down * rounds)} down in all, a seed",
    },
  )


def _difference(before, after, prefix="") -> str:
  """The first key whose value differs, in words."""
  for key in sorted({**before, **after}):
    a, b = before.get(key), after.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
      found = _difference(a, b, f"{prefix}{key}.")
      if found:
        return found
    elif a != b:
      return f"{prefix}{key} was {a!r}, is {b!r}"
  return ""


def _steps(config, n: int) -> int:
  steps = n // config.train.batch_size
  limit = config.train.steps_per_epoch
  return min(steps, limit) if limit else steps


def _prepare(config) -> _Setup:
  try:
    return _setup(config)
  except (ValueError, FileNotFoundError) as error:
    raise Refused(str(error)) from error


def _setup(config) -> _Setup:
  root = rng.root(config.seed)
  words = np.asarray(jax.random.key_data(rng.stream(root, "data")))
  dataset = data.load(config.data, words)
  dataset = tasks.reassign(
    dataset, tasks.build(config.task, dataset.num_classes)
  )
  if config.train.batch_size > len(dataset.train.labels):
    raise ValueError(
      f"train.batch_size is {config.train.batch_size}, larger than the "
      f"{len(dataset.train.labels)} training rows; take fewer."
    )
  options = dict(config.model)
  name, cut = options.pop("name"), options.pop("cut")
  model = models.build(
    name, dataset.num_classes, vocabulary=dataset.vocabulary, **options
  )
  net = split.at(model, cut, config.data.parties)
  chain = defense_registry.chain(
    [defense_registry.build(n, **o) for n, o in configs.pieces(config.defenses)]
  )
  keys = jnp.stack([rng.root(config.seed + s) for s in range(config.seeds)])
  labels = jnp.asarray(dataset.train.labels)
  relabel = chain.targets
  if relabel is not None:
    targets = jax.vmap(
      lambda k: relabel(rng.stream(k, "targets"), labels, dataset.num_classes)
    )(keys)
  else:
    targets = jnp.tile(labels, (config.seeds, 1))
  n = len(labels)
  steps = _steps(config, n)
  passive = config.data.parties - config.data.active_features
  recorded = rng.generator(rng.stream(root, "record")).permutation(n)
  recorded = np.sort(recorded[: config.record.samples or n])
  t = config.train
  optimizers = train.optimizer(
    t.optimizer,
    learning_rate=t.learning_rate,
    steps=steps * t.epochs,
    momentum=t.momentum,
    weight_decay=t.weight_decay,
    schedule=t.schedule,
    boundaries=t.boundaries,
  )
  learner = train.make(
    net,
    optimizers,
    batch_size=t.batch_size,
    steps=steps,
    defense=chain.gradient,
    recorded_rows=recorded,
    passive=passive,
  )
  inputs = jax.tree.map(jnp.asarray, tuple(dataset.train.inputs))
  return _Setup(dataset, net, learner, targets, keys, inputs, recorded, passive)


def _initial(config, setup: _Setup):
  state = setup.learner.init(setup.keys, setup.inputs)
  recorded = train.record(
    setup.net,
    state,
    setup.inputs,
    config.record.epochs,
    len(setup.recorded_rows),
    setup.passive,
  )
  return state, recorded


def _federation(config, setup, variables, recorded) -> evaluate.Federation:
  return evaluate.Federation(
    setup.net,
    variables,
    setup.dataset,
    recorded,
    setup.recorded_rows,
    setup.keys,
    setup.passive,
    config.train.batch_size,
  )


def _train(config, workdir, setup: _Setup, progress):
  """Train to the end, from the newest checkpoint that reads back whole."""
  state, recorded = _initial(config, setup)
  checkpoints = checkpoint.Checkpoints(workdir / "checkpoints")
  done = 0
  restored = checkpoints.restore({"state": state, "recorded": recorded})
  if restored is not None:
    done, contents = restored
    state, recorded = contents["state"], contents["recorded"]
  lines = [m for m in tables.read_metrics(workdir) if m["epoch"] < done]
  tables.write_metrics(workdir, lines)
  epochs = config.train.epochs
  progress.phase("train", epochs, done)
  validation = jax.tree.map(jnp.asarray, tuple(setup.dataset.validation.inputs))
  truth = setup.dataset.validation.labels
  for epoch, state, recorded, metrics in train.fit(
    setup.learner,
    state,
    setup.inputs,
    setup.targets,
    setup.keys,
    start=done,
    epochs=epochs,
    recorded=recorded,
  ):
    if not np.isfinite(metrics["loss"]).all():
      bad = np.flatnonzero(~np.isfinite(metrics["loss"])).tolist()
      raise Diverged(
        f"the loss of seeds {bad} was not finite in epoch {epoch}; lower "
        f"train.learning_rate={config.train.learning_rate} or clip. "
        "Checkpoints up to the epoch before are intact."
      )
    logits = np.asarray(setup.learner.predict(state["variables"], validation))
    correct = (logits.argmax(-1) == truth).mean(1)
    tables.append_metrics(
      workdir,
      {
        "epoch": epoch,
        "loss": metrics["loss"].tolist(),
        "accuracy": metrics["accuracy"].tolist(),
        "validation": correct.tolist(),
      },
    )
    checkpoints.save(epoch + 1, {"state": state, "recorded": recorded})
    progress.advance(
      f"loss {metrics['loss'].mean():.3f}, validation {correct.mean():.3f}"
    )
  checkpoints.close()
  rows = [
    {"epoch": m["epoch"], "seed": seed, "quantity": quantity, "value": v}
    for m in tables.read_metrics(workdir)
    for quantity in ("loss", "accuracy", "validation")
    for seed, v in enumerate(m[quantity])
  ]
  tables.write(workdir, "training", rows)
  return state, recorded


def _score_main(config, workdir, federation, predict):
  """Main accuracy (and, for two classes, AUC) on every split."""
  if tables.exists(workdir, "main"):
    return
  measures = {"accuracy", "balanced_accuracy", config.evaluate.metric}
  if federation.dataset.num_classes == 2:
    measures.add("auc")
  rows = []
  for name in ("test", "validation", "train"):
    examples = getattr(federation.dataset, name)
    logits = np.asarray(predict(federation.variables, tuple(examples.inputs)))
    for metric in sorted(measures):
      values = [
        evaluate.score(metric, scores, examples.labels) for scores in logits
      ]
      mean, low, high = evaluate.interval(values)
      rows.append(
        {
          "rows": name,
          "metric": metric,
          "mean": mean,
          "low": low,
          "high": high,
          "seeds": len(values),
          "n": len(examples.labels),
          **{f"seed{i}": v for i, v in enumerate(values)},
        }
      )
  tables.write(workdir, "main", rows)
  inputs = tuple(federation.dataset.test.inputs)
  tables.write(
    workdir,
    "cost",
    cost.table(federation.net, inputs, config.train.batch_size),
  )


def _probe(config, workdir, f: evaluate.Federation, progress):
  """Information at every layer, on rows trained on and rows held out."""
  estimators = configs.pieces(config.information.estimators)
  progress.phase("information", 2)
  if tables.exists(workdir, "information") or not estimators:
    return
  d = f.dataset
  held = [d.test, d.validation]
  held_labels = np.concatenate([h.labels for h in held])
  # as many of both, so that n is not what tells the two curves apart
  n = min(config.information.samples, len(d.train.labels), len(held_labels))
  chosen = rng.generator(rng.stream(f.keys[0], "probe"))
  trained = chosen.permutation(len(d.train.labels))[:n]
  rest = chosen.permutation(len(held_labels))[:n]
  samples = {
    "trained on": (
      mapping.take(d.train.inputs, trained),
      d.train.labels[trained],
    ),
    "held out": (
      jax.tree.map(
        lambda *a: np.concatenate(a)[rest], *[h.inputs for h in held]
      ),
      held_labels[rest],
    ),
  }
  rows = []
  for name, (inputs, labels) in samples.items():
    progress.advance(f"{len(labels)} samples {name}")
    found = probe.probe(
      rng.stream(f.keys[0], "information"),
      [_places(f, seed, inputs) for seed in range(len(f.keys))],
      labels,
      estimators=estimators,
      width=config.information.width,
      steps=config.information.steps,
    )
    rows += [{"samples": name, "cut": f.net.cut, **row} for row in found]
  tables.write(workdir, "information", rows)


def _places(f: evaluate.Federation, seed: int, inputs):
  """Vectors of every layer of one seed."""
  bottoms, top = jax.tree.map(
    np.asarray,
    _activations(
      f.net,
      f.dataset.vocabulary,
      mapping.take(f.variables, seed),
      tuple(inputs),
    ),
  )
  names = [s.name for s in f.net.model.stages]
  return probe.places(bottoms, top, names)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _activations(net, heights, variables, inputs):
  """Vectors of every layer, per party and merged."""

  def block(x):
    bottoms, top = net.activations(variables, x)
    return (
      tuple(
        tuple(nets.vectors(layer, heights[k]) for layer in layers)
        for k, layers in enumerate(bottoms)
      ),
      tuple(nets.vectors(layer, sum(heights)) for layer in top),
    )

  return mapping.chunked(block, inputs, train.EVALUATION_ROWS)


def _attack(config, workdir, f: evaluate.Federation, progress):
  names = configs.pieces(config.attacks)
  steps = config.evaluate.attack_steps
  chosen, skipped = {}, {}
  if ("all", {}) in names:
    names = [(name, {}) for name in attack_registry.ATTACKS]
    for name, overrides in list(names):
      attack = attack_registry.build(name, **{"steps": steps, **overrides})
      reason = attack_registry.missing(attack, config)
      if reason:
        skipped[name] = reason
        names.remove((name, overrides))
  for name, overrides in names:
    chosen[name] = attack_registry.build(name, **{"steps": steps, **overrides})
  progress.phase("attack", f.passive * (2 + 2 * len(chosen)))
  tables.set_status(
    workdir,
    "running",
    skipped=skipped,
    budgets={name: a.budget for name, a in chosen.items()},
  )
  if tables.exists(workdir, "leakage") or not chosen:
    return
  rows = evaluate.leakage(
    f,
    chosen,
    aux_per_class=config.evaluate.aux_per_class,
    steps=steps,
    metric=config.evaluate.metric,
    advance=progress.advance,
  )
  tables.write(workdir, "attacks", [{"cut": f.net.cut, **r} for r in rows])
  tables.write(workdir, "leakage", evaluate.advantage(rows))
