"""How well a federation does its own task."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vfl_jax.evaluation import metrics
from vfl_jax.federation import views
from vfl_jax.results import intervals


def measure(
  federation: views.Federation, predict: Callable[..., Any], primary: str
) -> list[dict[str, Any]]:
  """Main accuracy (and, for two classes, AUC) on every split.

  Args:
    federation: as it was trained.
    predict: `predict(variables, inputs) -> logits [seeds, n, classes]`.
    primary: the metric by which the task is judged.

  Returns:
    Tidy rows: rows, metric, primary, mean, low, high (95 % over seeds), guess
    (the same of the class shares), seeds, n, and the value of each seed.
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
  found = np.split(np.asarray(predict(federation.variables, inputs)), ends, 1)
  for name, examples, logits in zip(names, splits, found, strict=True):
    for metric in sorted(measures):
      values = [
        metrics.score(metric, scores, examples.labels) for scores in logits
      ]
      mean, low, high = intervals.interval(values)
      guess = np.broadcast_to(shares, logits[0].shape)
      rows.append(
        {
          "rows": name,
          "metric": metric,
          "primary": metric == primary,
          "mean": mean,
          "low": low,
          "high": high,
          "guess": metrics.score(metric, guess, examples.labels),
          "seeds": len(values),
          "n": len(examples.labels),
          **{f"seed{i}": v for i, v in enumerate(values)},
        }
      )
  return rows
