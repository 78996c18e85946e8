"""What each attack finds of leaks that were planted, and what it cannot find.

  python -m docs.attacks.planted

Two minutes on one core. Writes docs/results/planted.csv and
docs/attacks/planted.png.
"""

import pathlib

from matplotlib import pyplot
import numpy as np
import pandas as pd

from tests.helpers import leaks
from tests.helpers import planted
from vfl_jax import attacks
from vfl_jax.attacks import recipes
from vfl_jax.attacks import supervised
from vfl_jax.evaluation import metrics
from vfl_jax.results.figures import style

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent / "results" / "planted.csv"
STRENGTHS = (0.25, 0.5, 1.0)
SEEDS = range(5)
BY = {
  "gradients": {
    name: {"name": name}
    for name in (
      *("norm", "direction", "hint", "similarity"),
      *("gradient_clustering", "supervised_gradients"),
    )
  },
  "embeddings": {
    "similarity": {"name": "similarity", "on": "embeddings"},
    "spectral": {"name": "spectral"},
    "passive_completion": {"name": "passive_completion", "budget": 400},
    "supervised_embeddings": {"name": "supervised_embeddings"},
  },
}
RECIPES = {
  "gradients": (supervised.OF_GRADIENTS, supervised.of_gradients),
  "embeddings": (supervised.OF_EMBEDDINGS, supervised.of_embeddings),
}
BEST = "best classifier"  # chosen by all labels: nobody could


def rows():
  """The AUC of every attack on every kind of leak; labels are two classes."""
  for seed in SEEDS:
    labels = np.random.default_rng(seed).integers(0, 2, leaks.N)
    for kind, plant in leaks.KINDS.items():
      for strength in STRENGTHS:
        vectors = leaks.planted(labels, plant, strength, seed)
        for on, rules in BY.items():
          key = {"on": on, "kind": kind, "strength": strength, "seed": seed}
          field = "gradients" if on == "gradients" else "train"
          view = planted.victim(
            labels, **{field: vectors}, per_class=leaks.PER_CLASS
          )
          known = view.trial.aux_rows
          unknown = np.setdiff1d(np.arange(leaks.N), known)
          for name, rule in rules.items():
            attack = attacks.build(**{"budget": 1, **rule})
            scores = np.asarray(planted.infer(attack, view).train)
            value = _auc(scores[unknown], labels[unknown])
            yield {**key, "attack": name, "auc": value}
          best = max(
            _auc(scores[unknown], labels[unknown])
            for scores in _recipes(on, vectors, known, labels)
          )
          yield {**key, "attack": BEST, "auc": best}


def _auc(scores, labels):
  return metrics.score("auc", np.nan_to_num(scores), labels)


def _recipes(on, vectors, known, labels):
  """Scores of every classifier that an attack chooses among."""
  choices, of = RECIPES[on]
  norms = np.linalg.norm(vectors, axis=1)
  read = of(vectors, norms) if on == "gradients" else of(vectors)
  for recipe in choices:
    columns = read[recipe.reading]
    some = recipes.Known(known, labels[known])
    yield recipes.fitted(columns, some, recipe)(columns)


def draw(table):
  """Means over seeds; each cell has a number for every strength."""
  means = table.groupby(["on", "attack", "kind", "strength"])["auc"].mean()
  figure, axes = pyplot.subplots(
    2, 1, figsize=(9, 7.5), height_ratios=[len(r) + 1 for r in BY.values()]
  )
  for axis, (on, rules) in zip(axes, BY.items(), strict=True):
    names = [*rules, BEST]
    grid = [[means[on, n, k, 0.5] for k in leaks.KINDS] for n in names]
    axis.imshow(grid, cmap="Blues", vmin=0.5, vmax=1.1, aspect="auto")
    for y, name in enumerate(names):
      for x, kind in enumerate(leaks.KINDS):
        found = [means[on, name, kind, s] for s in STRENGTHS]
        text = "  ".join(f"{v:.2f}".lstrip("0") for v in found)
        axis.text(x, y, text, ha="center", va="center", fontsize=8)
    axis.set_yticks(range(len(names)), [n.replace("_", " ") for n in names])
    axis.set_xticks(range(len(leaks.KINDS)), leaks.KINDS)
    axis.set_title(f"in {on}", loc="left")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
  figure.tight_layout()
  figure.savefig(HERE / "planted.png", dpi=150)


def main():
  """Run everything and write the table and the picture."""
  table = pd.DataFrame(rows())
  table.round(4).to_csv(TABLE, index=False)
  with pyplot.rc_context({**style.RC, "axes.grid": False}):
    draw(table)


if __name__ == "__main__":
  main()
