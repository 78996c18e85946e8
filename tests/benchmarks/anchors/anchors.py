"""Published estimators of mutual information beside ours, truth known.

Each package runs in an environment of its own (python 3.11, one requirements
file each), on the same saved problems:

  python anchors.py problems PROBLEMS_DIR --truths .../truths.py
  python anchors.py run PACKAGE PROBLEMS_DIR OUT.csv
  python anchors.py compare ANCHORS.csv

with PACKAGE one of (import name, version it was written against):

  benchmark-mi   bmi           0.1.3  (jax 0.4.26)
  latentmi       latentmi      0.1.3  (torch 2)
  gmm-mi         gmm_mi        0.8.2
  mist-statinf   mist_statinf  0.1.1  (needs --checkpoint, not in its wheel)
  scikit-learn   sklearn       1.9.1
  vfl_jax        vfl_jax       this one

`problems` needs numpy and scipy only. `run` goes on where a CSV stops: rows
already there are not computed again; --match (globs on problem names, such as
"gaussians-*-n500-s0") and --estimators leave out what would take too long.
Everything is the package's own default, seeds are fixed, estimates are in
nats. `seconds` are of CPU time of the process (all its threads), first-call
compilation included: pin it to a core, with OMP_NUM_THREADS=1, to read them as
wall time on an idle core.

Integer labels are given to a package for continuous Y as one-hot floats, where
that leaves its estimator meaningful. What is left out, and why: `NOT_COVERED`.
"""

import argparse
import contextlib
import csv
import importlib.metadata
import importlib.util
import io
import itertools
import os
import pathlib
import sys
import time
import warnings
from typing import NamedTuple

import numpy as np

NOT_COVERED = {
  ("benchmark-mi", "CCA", "labels"): "assumes jointly Gaussian (T, Y); one-hot"
  " columns are neither Gaussian nor of full rank",
  ("benchmark-mi", "KDE", "labels"): "differential entropies: a one-hot Y has"
  " no density",
  ("benchmark-mi", "Histogram", "labels"): "equal-width bins in every"
  " dimension, of the one-hot columns too",
  ("benchmark-mi", "Histogram", "d > 2"): "5 bins a dimension make 5^(2d)"
  " cells: 9.5e13 at d=10",
  ("latentmi", "LMI", "one-feature labels"): "it would run; at half a minute a"
  " problem the labelled problems of more features come first",
  ("gmm-mi", "all", "d > 1"): "_check_shapes raises ValueError unless both"
  " variables are 1-dimensional",
  ("mist-statinf", "all", "without a checkpoint"): "the weights are not in the"
  " wheel, and without them the package answers with random ones, silently",
  ("mist-statinf", "MIST", "labels"): "trained on continuous pairs only",
  ("scikit-learn", "all", "d > 1"): "one feature at a time by construction",
  ("vfl_jax", "plugin", "all"): "counts discrete T, and none is here",
  ("vfl_jax", "linear, mlp", "all"): "usable information of a family of"
  " probes, no estimate of I(T;Y)",
}

SHAPES = "mixture", "warped", "multimodal", "xor"
COLUMNS = [
  "package",
  "version",
  "estimator",
  "problem",
  "kind",
  "n",
  "d",
  "classes",
  "seed",
  "truth",
  "truth_error",
  "estimate",
  "seconds",
  "note",
]
SIZES, SEEDS = (500, 2000), (0, 1, 2)


class Problem(NamedTuple):
  """A saved problem; `classes` is 0 where Y is continuous."""

  name: str
  kind: str
  n: int
  d: int
  classes: int
  seed: int
  t: np.ndarray
  y: np.ndarray
  truth: float
  error: float

  @property
  def columns(self) -> np.ndarray:
    """Y as floats `[n, columns]`, labels one-hot."""
    if not self.classes:
      return self.y
    return np.eye(self.classes, dtype=np.float32)[self.y]


def mixture_information(means) -> tuple[float, float]:
  """I(T;Y) in nats of equally likely unit Gaussians, and its tolerance."""
  from scipy import integrate, special

  def integrand(t):
    log_p = special.logsumexp(-0.5 * (t - means) ** 2) - np.log(
      len(means) * np.sqrt(2 * np.pi)
    )
    return -np.exp(log_p) * log_p

  entropy, error = integrate.quad(
    integrand, means[0] - 10, means[-1] + 10, points=means, limit=400
  )
  return max(0.0, entropy - 0.5 * np.log(2 * np.pi * np.e)), error


def one_feature(seed, n, classes, spacing):
  """`(t, y, truth, error)`: unit Gaussians, a class each, in a row."""
  generator = np.random.default_rng([seed, n, classes, int(1000 * spacing)])
  means = spacing * np.arange(classes, dtype=float)
  y = generator.integers(0, classes, n)
  t = (means[y] + generator.standard_normal(n))[:, None].astype(np.float32)
  truth, error = mixture_information(np.unique(means))
  return t, y, truth, error


def generate(truths):
  """Every problem, of the functions of the module `problems` and one's own."""
  for d, rho, n, seed in itertools.product(
    (1, 2, 10), (0, 0.5, 0.9), SIZES, SEEDS
  ):
    t, y, truth = truths.gaussians(seed, n=n, d=d, rho=rho)
    name = f"gaussians-d{d}-rho{rho}-n{n}-s{seed}"
    yield Problem(name, "gaussians", n, d, 0, seed, t, y, truth + 0.0, 0.0)
  for kind, (d, classes), level, n, seed in itertools.product(
    SHAPES, ((2, 2), (2, 10), (16, 10)), (0, 0.5, 0.9), SIZES, SEEDS
  ):
    t, y, truth, error = truths.problem(
      kind, seed, n=n, d=d, classes=classes, level=level
    )
    name = f"{kind}-d{d}-c{classes}-level{level}-n{n}-s{seed}"
    yield Problem(name, kind, n, d, classes, seed, t, y, truth, error)
  for classes, spacing, n, seed in itertools.product(
    (2, 5), (0, 1, 3), SIZES, SEEDS
  ):
    t, y, truth, error = one_feature(seed, n, classes, spacing)
    name = f"mixture1d-c{classes}-spacing{spacing}-n{n}-s{seed}"
    yield Problem(name, "mixture1d", n, 1, classes, seed, t, y, truth, error)


def write(out, truths_path):
  """Saves every problem as `out`/NAME.npz."""
  spec = importlib.util.spec_from_file_location("truths", truths_path)
  truths = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(truths)
  out.mkdir(parents=True, exist_ok=True)
  for problem in generate(truths):
    np.savez(out / f"{problem.name}.npz", **problem._asdict())


def read(path) -> Problem:
  """A problem as `write` saved it."""
  with np.load(path) as saved:
    values = {k: saved[k] for k in Problem._fields}
  return Problem(**{k: v if v.ndim else v.item() for k, v in values.items()})


def benchmark_mi(args):
  """Estimators of `bmi`: `{name: problem -> (estimate, note) or None}`."""
  from bmi import estimators as bmi

  def plain(make, covers):
    def estimate(problem):
      if not covers(problem):
        return None
      return make().estimate(problem.t, problem.columns), ""

    return estimate

  def neural(make):
    def estimate(problem):
      # half of the samples train: a default batch of 256 gives nan at n=500
      batch = 256 if len(problem.t) >= 512 else 128
      note = "" if batch == 256 else f"batch_size={batch}: the default is nan"
      estimator = make(batch_size=batch, verbose=False)
      found = estimator.estimate_with_info(problem.t, problem.columns)
      steps = found.additional_information["n_training_steps"]
      return found.mi_estimate, f"{steps} steps; {note}".rstrip("; ")

    return estimate

  return {
    "KSG": plain(bmi.KSGEnsembleFirstEstimator, lambda p: True),
    "CCA": plain(bmi.CCAMutualInformationEstimator, lambda p: not p.classes),
    "KDE": plain(bmi.KDEMutualInformationEstimator, lambda p: not p.classes),
    "Histogram": plain(
      bmi.HistogramEstimator, lambda p: not p.classes and p.d <= 2
    ),
    "MINE": neural(bmi.MINEEstimator),
    "InfoNCE": neural(bmi.InfoNCEEstimator),
    "NWJ": neural(bmi.NWJEstimator),
    "Donsker-Varadhan": neural(bmi.DonskerVaradhanEstimator),
  }


def latentmi(args):
  """LMI, in nats (its own unit is the bit)."""
  import torch
  from latentmi import lmi

  def estimate(problem):
    if problem.kind == "mixture1d":
      return None
    np.random.seed(0)
    torch.manual_seed(0)
    pointwise, _, _ = lmi.estimate(problem.t, problem.columns)
    return np.nanmean(pointwise) * np.log(2), ""

  return {"LMI": estimate}


def gmm_mi(args):
  """GMM-MI, for two columns or a column and a category."""
  from gmm_mi.mi import EstimateMI

  def estimate(problem):
    if problem.d > 1:
      return None
    t, y = problem.t.astype(float), problem.y
    fit = EstimateMI()
    if problem.classes:
      mean, deviation = fit.fit_estimate_categorical(t, y.astype(float))
    else:
      mean, deviation = fit.fit_estimate(t, y.astype(float))
    return mean, f"bootstrap deviation {deviation:.4f}"

  return {"GMM-MI": estimate}


def mist(args):
  """MIST from a checkpoint of its authors."""
  from mist_statinf import MISTQuickEstimator

  if not args.checkpoint:
    sys.exit("mist-statinf: --checkpoint is needed: see NOT_COVERED")
  trained = MISTQuickEstimator("mse", args.checkpoint, device="cpu")

  def estimate(problem):
    if problem.classes:
      return None
    return trained.estimate_point(problem.t, problem.y), ""

  return {"MIST": estimate}


def scikit_learn(args):
  """The nearest-neighbour estimators of scikit-learn, for one feature."""
  from sklearn import feature_selection

  def classif(problem):
    if problem.d > 1 or not problem.classes:
      return None
    found = feature_selection.mutual_info_classif(
      problem.t, problem.y, random_state=0
    )
    return found[0], ""

  def regression(problem):
    if problem.d > 1 or problem.classes:
      return None
    found = feature_selection.mutual_info_regression(
      problem.t, problem.y[:, 0], random_state=0
    )
    return found[0], ""

  return {"mutual_info_classif": classif, "mutual_info_regression": regression}


def vfl_jax(args):
  """Our own; what is for labels or for values only is left out elsewhere."""
  import jax

  from vfl_jax.information import estimate as information_estimate

  def plain(covers, name, **options):
    def estimate(problem):
      if not covers(problem):
        return None
      found = information_estimate.mutual_information(
        jax.random.key(0), [problem.t], problem.y, estimator=name, **options
      )
      return found.nats[0], "; ".join(found.warnings[0])

    return estimate

  names = "mine", "nwj", "infonce", "smile", "jsd", "neighbors"
  return {
    "classifier": plain(lambda p: p.classes, "classifier"),
    "copula": plain(lambda p: not p.classes, "copula"),
    **{name: plain(lambda p: True, name) for name in names},
    "mine (concatenated)": plain(
      lambda p: p.classes, "mine", critic="concatenated"
    ),
  }


PACKAGES = {
  "benchmark-mi": benchmark_mi,
  "latentmi": latentmi,
  "gmm-mi": gmm_mi,
  "mist-statinf": mist,
  "scikit-learn": scikit_learn,
  "vfl_jax": vfl_jax,
}


def measure(estimate, problem) -> dict | None:
  """Estimate, CPU seconds and a note; None where it is not covered."""
  start = time.process_time()
  try:
    with (
      warnings.catch_warnings(record=True) as caught,
      contextlib.redirect_stdout(io.StringIO()),
    ):
      warnings.simplefilter("always")
      found = estimate(problem)
  except Exception as error:
    found, caught = (np.nan, f"{type(error).__name__}: {error}"), ()
  if found is None:
    return None
  seconds = time.process_time() - start
  value, note = found
  kinds = sorted({w.category.__name__ for w in caught} - {"FutureWarning"})
  note = "; ".join(filter(None, [note, *kinds]))
  return {
    "estimate": f"{float(value):.6f}",
    "seconds": f"{seconds:.3f}",
    "note": " ".join(note.split()),
  }


def selected(args):
  """The saved problems that a glob asks for, glob after glob."""
  paths = [
    path
    for pattern in args.match
    for path in sorted(args.problems.glob(f"{pattern}.npz"))
  ]
  return [read(path) for path in dict.fromkeys(paths)]


def run(args):
  """Adds to the CSV a row for each problem and estimator not there yet."""
  os.environ.setdefault("TQDM_DISABLE", "1")
  estimators = PACKAGES[args.package](args)
  version = importlib.metadata.version(args.package)
  done = set()
  if args.out.exists():
    with args.out.open(newline="") as file:
      done = {(r["problem"], r["estimator"]) for r in csv.DictReader(file)}
  with args.out.open("a", newline="") as file:
    writer = csv.DictWriter(file, COLUMNS)
    if not file.tell():
      writer.writeheader()
    for problem, name in itertools.product(selected(args), estimators):
      if args.estimators and name not in args.estimators:
        continue
      if (problem.name, name) in done:
        continue
      measured = measure(estimators[name], problem)
      if measured is None:
        continue
      writer.writerow(
        {
          "package": args.package,
          "version": version,
          "estimator": name,
          "problem": problem.name,
          "kind": problem.kind,
          "n": problem.n,
          "d": problem.d,
          "classes": problem.classes,
          "seed": problem.seed,
          "truth": f"{problem.truth:.6f}",
          "truth_error": f"{problem.error:.2g}",
          **measured,
        }
      )
      file.flush()


def compare(table):
  """Prints, for every anchor, ours on exactly the problems it was run on."""
  import pandas as pd

  rows = pd.read_csv(table)
  # some packages clip at zero themselves: all are, to be alike
  rows["error"] = rows["estimate"].clip(lower=0) - rows["truth"]
  rows["what"] = rows["package"] + " " + rows["estimator"]
  rows["task"] = rows["kind"].where(rows["classes"] == 0, "labels")
  rows.loc[rows["kind"] == "mixture1d", "task"] = "labels, one feature"
  ours = rows[rows["package"] == "vfl_jax"]
  theirs = rows[rows["package"] != "vfl_jax"]
  found = []
  for (task, what), part in theirs.groupby(["task", "what"], sort=False):
    same = ours[ours["problem"].isin(part["problem"])]
    whole = same.groupby("what")["error"].agg(
      ["count", lambda e: e.abs().mean()]
    )
    whole = whole[whole["count"] == len(part)].iloc[:, 1].sort_values()
    found.append(
      {
        "task": task,
        "anchor": what,
        "problems": len(part),
        "error": part["error"].abs().mean(),
        **{
          f"our {i}": f"{k.split(' ', 1)[1]} {v:.3f}"
          for i, (k, v) in enumerate(whole.head(3).items(), 1)
        },
      }
    )
  print(pd.DataFrame(found).round(3).to_string(index=False, na_rep=""))


def main():
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  commands = parser.add_subparsers(dest="command", required=True)
  problems = commands.add_parser("problems", help="save the problems")
  problems.add_argument("out", type=pathlib.Path)
  problems.add_argument("--truths", type=pathlib.Path, required=True)
  runs = commands.add_parser("run", help="run a package on saved problems")
  runs.add_argument("package", choices=PACKAGES)
  runs.add_argument("problems", type=pathlib.Path)
  runs.add_argument("out", type=pathlib.Path)
  runs.add_argument("--match", nargs="+", default=["*"], help="default all")
  runs.add_argument("--estimators", nargs="+", help="default all")
  runs.add_argument("--checkpoint", help="of mist-statinf")
  compared = commands.add_parser("compare", help="like for like")
  compared.add_argument("table", type=pathlib.Path)
  args = parser.parse_args()
  if args.command == "problems":
    write(args.out, args.truths)
  elif args.command == "compare":
    compare(args.table)
  else:
    run(args)


if __name__ == "__main__":
  main()
