"""Performance of a federation on its own task."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from vfl_jax.evaluation import metrics
from vfl_jax.federation import views
from vfl_jax.results import intervals


def measure(
  federation: views.Federation, predict: Callable[..., Any], primary: str
) -> list[dict[str, Any]]:
  """Scores the main task on every split: accuracies and, for 2 classes, AUC.

  Args:
    federation: the trained federation.
    predict: `predict(variables, inputs) -> logits [seeds, n, classes]`.
    primary: metric by which the task is judged.

  Returns:
    Tidy rows with the columns rows, metric, primary, mean, low, high (95 %
    interval over seeds), guess (the metric of a guess by the class shares),
    seeds, n, and the value of each seed.
  """
  measures = {"accuracy", "balanced_accuracy", primary}
  if federation.dataset.num_classes == 2:
    measures.add("auc")
  rows = []
  counts = np.bincount(
    federation.dataset.train.labels, minlength=federation.dataset.num_classes
  )
  shares = np.log(np.maximum(counts, 1e-9))
  names = ("test", "validation", "train")
  splits = [getattr(federation.dataset, name) for name in names]
  inputs = jax.tree.map(
    lambda *a: np.concatenate(a), *[tuple(e.inputs) for e in splits]
  )
  ends = np.cumsum([len(e.labels) for e in splits])[:-1]
  split_logits = np.split(
    np.asarray(predict(federation.variables, inputs)), ends, 1
  )
  for name, examples, logits in zip(names, splits, split_logits, strict=True):
    for metric in sorted(measures):
      values = [
        metrics.score(metric, scores, examples.labels) for scores in logits
      ]
      guess = np.broadcast_to(shares, logits[0].shape)
      rows.append(
        _row(
          name,
          metric,
          metric == primary,
          metrics.score(metric, guess, examples.labels),
          len(examples.labels),
          values,
        )
      )
  return rows


def joined(frames: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
  """Joins tables of `measure` of single seeds into rows over all seeds.

  Args:
    frames: tables of a single seed each.
  """
  rows = []
  combined = pd.concat(frames, ignore_index=True)
  for _, group in combined.groupby(["rows", "metric"], sort=False):
    first = group.iloc[0]
    rows.append(
      _row(
        first["rows"],
        first["metric"],
        bool(first["primary"]),
        float(group["guess"].mean()),
        round(group["n"].mean()),
        group["seed0"].tolist(),
      )
    )
  return rows


def _row(name, metric, primary, guess, n, values) -> dict[str, Any]:
  mean, low, high = intervals.interval(values)
  return {
    "rows": name,
    "metric": metric,
    "primary": primary,
    "mean": mean,
    "low": low,
    "high": high,
    "guess": guess,
    "seeds": len(values),
    "n": n,
    **{f"seed{i}": v for i, v in enumerate(values)},
  }
