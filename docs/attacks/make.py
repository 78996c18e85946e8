"""Runs every attack at every cut and draws the pictures of these pages.

  python docs/attacks/make.py FOLDER

About an hour on one core. Runs that FOLDER holds already are not repeated.
Writes docs/results/attacks.csv and docs/attacks/NAME.png.
"""

import pathlib
import subprocess
import sys

from matplotlib import pyplot
import pandas as pd

from vfl_jax import attacks
from vfl_jax.results import intervals
from vfl_jax.results.figures import style

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CUTS = range(1, 9)  # of the perceptron
# with stages of two units, the number of classes, without batch norm most of
# the networks die; and so few rows need small batches
DATA = {
  "digits": (),
  "breast_cancer": (
    "--config.train.batch_size=16",
    "--config.model.embedding=10",
    "--config.model.top=(20,10,10)",
  ),
}
SCORE = {"feature_inversion": "unexplained"}  # of others accuracy
RANKINGS = ("norm", "direction", "hint")  # of two classes: by AUC
AVERAGED = (
  "--config.record.messages=averaged",
  "--config.record.epochs=(0,)",
  "--config.record.samples=256",
  "--config.attacks=('batch_inversion',)",
)


def runs(folder):
  """`(data, cut, workdir)` of every run, carried out if need be."""
  for data in DATA:
    for cut in CUTS:
      for kind, more in (("per_sample", ()), ("averaged", AVERAGED)):
        workdir = folder / f"{data}-{cut}-{kind}"
        subprocess.run(
          [
            sys.executable,
            "main.py",
            f"--config=configs/attacks.py:data.name={data},cut={cut}",
            *DATA[data],
            f"--workdir={workdir}",
            *more,
          ],
          cwd=ROOT,
          check=True,
          stdout=subprocess.DEVNULL,
        )
        yield data, cut, workdir


def collect(folder):
  """All tables of attacks and of exposure, means over parties and draws."""
  parts = []
  for data, cut, workdir in runs(folder):
    for name in ("attacks", "exposure"):
      path = workdir / "tables" / f"{name}.csv"
      if path.is_file():
        parts.append(pd.read_csv(path).assign(data=data, cut=cut))
    print(data, cut, flush=True)
  frame = pd.concat(parts, ignore_index=True)
  keys = ["data", "cut", "attack", "what", "rows", "metric", "seed"]
  frame["rows"] = frame["rows"].fillna("test")
  means = frame.groupby(keys)["value"].mean().reset_index()
  means["value"] = means["value"].round(4)
  return means


def draw(frame, attack):
  """The attack beside its strongest control over the cut, both data sets."""
  figure, axes = pyplot.subplots(1, len(DATA), figsize=(8.4, 2.9))
  for axis, data in zip(axes, DATA, strict=True):
    metric = SCORE.get(attack, "accuracy")
    if attack in RANKINGS and data == "breast_cancer":
      metric = "auc"
    own = frame[
      (frame["attack"] == attack)
      & (frame["data"] == data)
      & (frame["metric"] == metric)
    ]
    rows = "test" if "test" in set(own["rows"]) else "train"
    own = own[own["rows"] == rows]
    controls = own[~own["what"].isin(["attack", "ceiling"])]
    lines = {"attack": own[own["what"] == "attack"]}
    if len(controls):
      means = controls.groupby(["cut", "what"])["value"].mean().reset_index()
      best = means.loc[means.groupby("cut")["value"].idxmax()]
      lines["strongest control"] = controls.merge(best[["cut", "what"]])
    for (what, values), colour in zip(
      lines.items(), (style.COLOURS[1], style.COLOURS[0]), strict=False
    ):
      groups = values.groupby("cut")["value"]
      mean, half = groups.mean(), groups.apply(intervals.half_width)
      axis.plot(mean.index, mean, color=colour, marker="o", label=what)
      axis.fill_between(
        mean.index, mean - half, mean + half, color=colour, alpha=0.2, lw=0
      )
    axis.set_title(f"{data.replace('_', ' ')}, {rows} rows")
    axis.set_xlabel("cut: stages at the parties")
    axis.set_ylabel(metric.replace("_", " "))
    axis.set_xticks(list(CUTS))
    axis.set_xlim(0.7, 8.3)
    axis.set_ylim(0, 1.05)
  axes[-1].legend(loc="best")
  figure.tight_layout()
  figure.savefig(HERE / f"{attack}.png", dpi=110)
  pyplot.close(figure)


def main(folder):
  with pyplot.rc_context(style.RC):
    frame = collect(pathlib.Path(folder).resolve())
    frame = frame[frame["metric"] != "macro_f1"]
    frame.to_csv(ROOT / "docs/results/attacks.csv", index=False)
    for attack in set(frame["attack"]) & set(attacks.ATTACKS):
      draw(frame, attack)


if __name__ == "__main__":
  main(sys.argv[1])
