"""How well a federation does its own task, and what that costs."""

from typing import Any

import jax
import numpy as np

from vfl_jax.evaluation import metrics
from vfl_jax.federation import cost
from vfl_jax.results import intervals
from vfl_jax.results import tables


def main_task(config: Any, workdir, federation, predict) -> None:
  """Main accuracy (and, for two classes, AUC) on every split, and the cost.

  Beside each score is that of the class shares, "guess".
  """
  if tables.exists(workdir, "main") and tables.exists(workdir, "cost"):
    return
  measures = {"accuracy", "balanced_accuracy", config.evaluate.metric}
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
          "primary": metric == config.evaluate.metric,
          "mean": mean,
          "low": low,
          "high": high,
          "guess": metrics.score(metric, guess, examples.labels),
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
    cost.table(
      federation.net, inputs, config.train.batch_size, federation.passive
    ),
  )
