"""How informative features are about a task, and how well they align with it.

Informative features let a learner with every label predict the task. Aligned
features let a learner with few labels or none predict it. Merged classes show
that the two differ. Only data and labels matter here, not the federation.
"""

from typing import Any
import warnings

import numpy as np

from vfl_jax.evaluation import metrics
from vfl_jax.federation import setup as federation_setup
from vfl_jax.runtime import trees

# largest numbers of training rows for learners of the task's labels, and for
# learners of the natural classes
ROWS, NATURAL_ROWS = 5_000, 60_000


def measure(
  setup: federation_setup.Setup, metric: str = "accuracy"
) -> list[dict[str, Any]]:
  """Measures informativeness and clusters of each party's features.

  Args:
    setup: the experiment's data, under its task.
    metric: metric of the predictions, see `metrics.score`.

  Returns:
    Tidy rows with the columns party, quantity, metric, value (on test rows),
    chance (the metric of a guess by the class shares), n, detail. The quantity
    "informativeness" is the score of a learner with every label. "clusters" is
    the score of k-means with as many clusters as classes, matched to classes
    in the best way by the true training labels. "ceiling" (party "all", only
    for a task that sums natural classes) is the score of the sum of the
    parties' classifiers of their natural classes, which are trained on each
    sample that the task combines once. "class information" is the mutual
    information of the natural class of a party's slice and the label, as a
    share of H(Y), in the training rows.
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

  def row(party, quantity, scores, detail):
    return {
      "party": party,
      "quantity": quantity,
      "metric": metric,
      "value": metrics.score(metric, scores, truth),
      "chance": chance,
      "n": len(truth),
      "detail": detail,
    }

  rows = _counted(setup.natural["train"], labels["train"])
  composed = None
  for party, height in enumerate(dataset.vocabulary):
    x = {
      s: np.asarray(trees.vectors(getattr(dataset, s).inputs[party], height))
      for s in labels
    }
    some = {s: slice(ROWS) if s == "train" else slice(None) for s in labels}
    shown = {s: x[s][some[s]] for s in x}
    shown_labels = {s: labels[s][some[s]] for s in labels}
    scores, name = supervised(shown, shown_labels, classes)
    rows.append(row(party, "informativeness", scores, name))
    guesses = np.eye(classes)[clustered(shown, shown_labels, classes)]
    rows.append(row(party, "clusters", guesses, "k-means"))
    if setup.task.sums:
      natural = {s: setup.natural[s][party] for s in labels}
      scores = _natural_scores(x, natural, classes)
      composed = scores if composed is None else added(composed, scores)
  if composed is not None:
    detail = "sum of the parties' classifiers"
    rows.append(row("all", "ceiling", composed, detail))
  return rows


def _counted(natural, labels) -> list[dict[str, Any]]:
  """The rows "class information", one for each party's natural classes."""
  return [
    {
      "party": party,
      "quantity": "class information",
      "metric": "share of H(Y)",
      "value": class_information(held, labels),
      "chance": 0.0,
      "n": len(held),
      "detail": "counted",
    }
    for party, held in enumerate(natural)
  ]


def _natural_scores(x, natural, classes) -> np.ndarray:
  """Probabilities of the natural classes of the test rows, `[n, classes]`.

  The classifier is trained once on each sample that the task combines.
  """
  once = np.unique(x["train"], axis=0, return_index=True)[1]
  once = np.sort(once)[:NATURAL_ROWS]
  x = {**x, "train": x["train"][once]}
  natural = {**natural, "train": natural["train"][once]}
  return supervised(x, natural, classes)[0]


def class_information(held: np.ndarray, labels: np.ndarray) -> float:
  """Mutual information of two discrete variables, as a share of H(labels).

  Args:
    held: classes, `[n]`.
    labels: labels, `[n]`.

  Returns:
    The counted (plug-in) estimate, in [0, 1]; NaN if all labels are alike.

  >>> held, labels = np.array([0, 1, 2, 3]), np.array([0, 1, 0, 1])
  >>> round(class_information(held, labels), 6)
  1.0
  """
  from scipy import stats
  from sklearn import metrics as counted

  entropy = float(stats.entropy(np.bincount(labels)))
  if not entropy:
    return float("nan")
  return float(counted.mutual_info_score(held, labels)) / entropy


def supervised(
  x: dict[str, np.ndarray], labels: dict[str, np.ndarray], classes: int
) -> tuple[np.ndarray, str]:
  """Trains several learners and predicts the test rows with the best.

  The learners are logistic regression, extremely random trees and a perceptron;
  the best has the highest accuracy on validation rows.

  Args:
    x: vectors `[n, d]` of the "train", "validation" and "test" rows.
    labels: labels of the "train" and "validation" rows.
    classes: number of classes.

  Returns:
    Probabilities `[n, classes]` of the test rows, and the learner's name. Where
    all training rows are of one class, every row is.
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
  present = np.unique(labels["train"])
  if len(present) == 1:  # a crossed task of full strength has such a party
    return np.eye(classes)[np.repeat(present, len(x["test"]))], "one class"
  scale = preprocessing.StandardScaler().fit(x["train"])
  x = {s: np.asarray(scale.transform(rows)) for s, rows in x.items()}
  fitted = {}
  for name, learner in learners.items():
    with warnings.catch_warnings():
      # a learner that has not converged still counts
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
  """Predicts test rows by clusters, matched to classes on training rows.

  Args:
    x: vectors `[n, d]` of the "train" and "test" rows.
    labels: labels of the "train" rows.
    classes: number of classes and of clusters.

  Returns:
    Predicted labels of the test rows, `[n]`.
  """
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
  """Probabilities of the sum of two independent classes modulo their number.

  Args:
    one: probabilities of the first class, `[n, classes]`.
    other: probabilities of the second class, `[n, classes]`.

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
