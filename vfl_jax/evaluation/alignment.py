"""How much features say about a task, and how much of it lies open.

Informative features let a learner with every label predict the task; aligned
ones do so for whoever has few labels or none. Merged classes show that the two
differ. Nothing here knows the federation: it is about data and labels alone.
"""

from typing import Any
import warnings

import numpy as np

from vfl_jax.evaluation import metrics
from vfl_jax.federation import setup as federation_setup
from vfl_jax.runtime import trees

# training rows that a learner sees, at most: of the task's labels, and of the
# natural classes behind them
ROWS, NATURAL_ROWS = 10_000, 60_000


def measure(
  setup: federation_setup.Setup, metric: str = "accuracy"
) -> list[dict[str, Any]]:
  """Informativeness and clusters of each party, and what sums allow.

  Args:
    setup: of the experiment, under its task.
    metric: as for attacks, see `metrics.score`.

  Returns:
    Tidy rows: party, quantity, metric, value (test rows), chance (the same of
    a guess by the shares of the classes), n, detail. "informativeness" is of a
    learner with every label; "clusters" of k-means with as many clusters as
    classes, named by the true labels of the training rows, as kindly as can
    be; "ceiling" of the sum of what the parties' own classifiers say of their
    natural classes, party "all"; those learn from every sample that the task
    combines, once.
  """
  dataset = setup.dataset
  classes = dataset.num_classes
  labels = {
    s: np.asarray(getattr(dataset, s).labels)
    for s in ("train", "validation", "test")
  }
  shares = np.bincount(labels["train"], minlength=classes)
  truth = labels["test"]
  guess = np.tile(shares / shares.sum(), (len(truth), 1))
  chance = metrics.score(metric, guess, truth)
  rows: list[dict[str, Any]] = []
  composed = None

  def add(party, quantity, scores, detail):
    rows.append(
      {
        "party": party,
        "quantity": quantity,
        "metric": metric,
        "value": metrics.score(metric, scores, truth),
        "chance": chance,
        "n": len(truth),
        "detail": detail,
      }
    )

  for party, height in enumerate(dataset.vocabulary):
    x = {
      s: np.asarray(trees.vectors(getattr(dataset, s).inputs[party], height))
      for s in labels
    }
    some = {s: slice(ROWS) if s == "train" else slice(None) for s in labels}
    shown = {s: x[s][some[s]] for s in x}
    shown_labels = {s: labels[s][some[s]] for s in labels}
    scores, name = supervised(shown, shown_labels, classes)
    add(party, "informativeness", scores, name)
    guesses = np.eye(classes)[clustered(shown, shown_labels, classes)]
    add(party, "clusters", guesses, "k-means")
    if setup.task.sums:
      natural_labels = {s: setup.natural[s][party] for s in labels}
      once = np.unique(x["train"], axis=0, return_index=True)[1]
      once = np.sort(once)[:NATURAL_ROWS]
      x["train"], natural_labels["train"] = (
        x["train"][once],
        natural_labels["train"][once],
      )
      scores, name = supervised(x, natural_labels, classes)
      composed = scores if composed is None else added(composed, scores)
  if composed is not None:
    add("all", "ceiling", composed, "sum of the parties' classifiers")
  return rows


def supervised(
  x: dict[str, np.ndarray], labels: dict[str, np.ndarray], classes: int
) -> tuple[np.ndarray, str]:
  """Probabilities `[n, classes]` of test rows by the best learner.

  Args:
    x: vectors of the train, validation and test rows.
    labels: of train and validation rows.
    classes: number of classes.

  Returns:
    What the learner says that is best on the validation rows (logistic
    regression, extremely random trees, a perceptron), and its name.
  """
  from sklearn import ensemble
  from sklearn import exceptions
  from sklearn import linear_model
  from sklearn import neural_network
  from sklearn import preprocessing

  learners = {
    "logistic regression": linear_model.LogisticRegression(max_iter=300),
    "random trees": ensemble.ExtraTreesClassifier(300, random_state=0),
    "perceptron": neural_network.MLPClassifier(
      (256,), early_stopping=True, random_state=0
    ),
  }
  scale = preprocessing.StandardScaler().fit(x["train"])
  x = {s: np.asarray(scale.transform(rows)) for s, rows in x.items()}
  fitted = {}
  for name, learner in learners.items():
    with warnings.catch_warnings():
      # one that stops before it has converged is a learner all the same
      warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
      learner.fit(x["train"], labels["train"])
    right = float(
      np.mean(learner.predict(x["validation"]) == labels["validation"])
    )
    fitted[name] = right, learner
  best = max(fitted, key=lambda name: fitted[name][0])
  learner: Any = fitted[best][1]
  scores = np.zeros((len(x["test"]), classes))
  scores[:, learner.classes_] = learner.predict_proba(x["test"])
  return scores, best


def clustered(
  x: dict[str, np.ndarray], labels: dict[str, np.ndarray], classes: int
) -> np.ndarray:
  """Labels of test rows by clusters, matched to classes on training rows."""
  from scipy import optimize
  from sklearn import cluster
  from sklearn import preprocessing

  scale = preprocessing.StandardScaler().fit(x["train"])
  means = cluster.KMeans(classes, n_init=10, random_state=0)
  assigned = means.fit_predict(scale.transform(x["train"]))
  table = np.zeros((classes, classes))
  np.add.at(table, (assigned, labels["train"]), 1)
  names = optimize.linear_sum_assignment(-table)[1]
  return names[means.predict(scale.transform(x["test"]))]


def added(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Probabilities of the sum modulo the classes, of two that are independent.

  >>> added(np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.5, 0.5]]))
  array([[0.5, 0. , 0.5]])
  """
  classes = one.shape[1]
  return np.stack(
    [
      sum(one[:, c] * other[:, (total - c) % classes] for c in range(classes))
      for total in range(classes)
    ],
    axis=1,
  )
