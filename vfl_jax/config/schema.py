"""All keys of a config and their defaults, by kind of config."""

import copy
from typing import Any

import ml_collections

EXPERIMENT: dict[str, Any] = {
  "kind": "experiment",
  "name": "digits_mlp",
  # "full", or "cpu" or "step" if the run was reduced to a small budget
  "profile": "full",
  "seed": 0,
  "seeds": 3,
  # precision of matrix products and convolutions; all else is float32
  "precision": "float32",
  # numbers of devices that rows and seeds are split over, and of hosts
  "mesh": {"data": 1, "seed": 1, "hosts": 1},
  "data": {
    "name": "digits",
    "path": "",  # the user's own file; separate several (one per party) by ","
    "data_dir": "",
    "label": "label",
    "id": "",
    "text": "",
    "split": "split",
    "drop": (),
    "parties": 2,
    "partition": "contiguous",
    "active_features": False,
    "train_size": 0,
    "test_size": 0,
    "validation_size": 0,
    "validation": 0.1,
    "test": 0.25,
    # whether each seed draws rows of its own: intervals cover the split too
    "resplit": False,
    "encoding": "onehot",
    "max_categories": 64,
    "hash_size": 8192,
    "vocabulary": 8000,
    "length": 32,
  },
  "task": {"name": "identity"},
  "model": {"name": "mlp", "cut": -1, "norm": "batch"},
  "train": {
    "epochs": 30,
    "batch_size": 64,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "boundaries": (0.5, 0.85),
    "steps_per_epoch": 0,  # 0: the whole permutation
    # {"name": "party 1" or "top", "learning_rate": 0.01, ...}
    "overrides": (),
  },
  "defenses": (),
  "information": {
    "estimators": ("classifier", "mine"),
    "samples": 2000,
    "steps": 100,
    "batch": 128,
    "folds": 4,
    "width": 64,
    # estimate after these epochs too, by the first estimator; 0: untrained
    "epochs": (),
    # standard deviation of the noise that I(X;T) is estimated with, as a share
    # of the layer's spread; 0: no such estimate
    "noise": 0.0,
  },
  "compensation": ("frozen_bottoms", "fresh_top", "central_twin"),
  "attacks": ("passive_completion",),
  "evaluate": {
    "aux_per_class": 4,
    "aux_draws": 5,  # draws of the auxiliary samples, per seed
    "label_prior": False,  # whether the parties know the class shares
    # by which leakage and the main task are judged, e.g. "accuracy"; empty: one
    # that shows a leak in these classes, see evaluation.metrics.primary
    "metric": "",
    "attack_steps": 400,
    "ceiling_steps": 1500,  # for the ceiling's heads; at least attack_steps
    "exposure": ("test",),  # rows to rebuild features of; also "validation"
    "coalitions": (),  # e.g. ((0, 1),): passive parties that act as one
    # measure how much each party's features reveal about the task, by learners
    # outside the federation
    "alignment": False,
    # also report the best epoch and variant by the true labels, as published
    # code does; such scores are marked
    "oracle": False,
  },
  # messages: "per_sample", or "averaged" if a party sees no cut gradients, only
  # the gradients of its own weights, averaged over a batch
  "record": {"epochs": (), "samples": 0, "messages": "per_sample"},
}

# compares estimators of I(T;Y) with the truth, on problems where it is known
CALIBRATION: dict[str, Any] = {
  "kind": "calibration",
  "name": "calibration",
  "profile": "full",
  "seed": 0,
  "seeds": 5,
  "precision": "float32",
  "estimators": (
    "classifier",
    "mine",
    {"name": "mine", "critic": "concatenated"},
    "nwj",
    "infonce",
    "smile",
    "jsd",
    "neighbors",
  ),
  "grid": {
    "shapes": ("mixture", "warped", "multimodal", "xor"),
    "samples": (500, 2000, 10000),
    "dimensions": (2, 16, 64, 256),
    "classes": (2, 10, 100),
    "levels": (0.0, 0.5, 0.9),  # I(T;Y) as a share of log(classes)
  },
  "fit": {"steps": 400, "batch": 128, "folds": 4, "width": 256},
}

# runs an experiment at every cut, and recommends one of them
AUDIT: dict[str, Any] = {
  **EXPERIMENT,
  "kind": "audit",
  "name": "audit",
  "seeds": 5,
  "data": {**EXPERIMENT["data"], "validation": 0.2, "resplit": True},
  "information": {**EXPERIMENT["information"], "estimators": ()},
  "compensation": (),
  "evaluate": {
    **EXPERIMENT["evaluate"],
    "attack_steps": 25600,
    "metric": "balanced_accuracy",
    "exposure": ("validation", "test"),
  },
  "attacks": (
    "possible",
    {
      "name": "passive_completion",
      "label": "adaptive completion",
      "variants": (
        ("frozen", 0, 1.0),
        ("frozen", 1, 1.0),
        ("frozen", -1, 1.0),
        ("finetuned", 1, 1.0),
        ("finetuned", -1, 1.0),
      ),
    },
    "direct",
    "norm",
    "direction",
    "hint",
    "supervised_gradients",
    "gradient_clustering",
    "similarity",
    {"name": "similarity", "on": "embeddings", "label": "similar embeddings"},
    "spectral",
    "supervised_embeddings",
    "feature_inversion",
    "adaptive",
  ),
  "audit": {
    "cuts": (),  # empty: all cuts of the model
    # each is tried at every cut: a name, a dict, or a tuple of names and dicts
    "defenses": (),
    "protect": "labels",  # "labels", "features" or "both"
    "max_utility_loss": 0.01,  # in the metric, against the reference cut
    "max_leakage": 1.0,  # share of what guessing leaves; 1: no limit
    "max_exposed": 1.0,  # share of the features rebuilt; 1: no limit
    "max_bytes": 0,  # per sample, up and down; 0: no limit
    "workers": 0,  # experiments at a time; 0: one per core
  },
}

# runs many experiments and compares them
STUDY: dict[str, Any] = {
  "kind": "study",
  "name": "study",
  "profile": "full",
  "question": "tradeoff",  # a key of `vfl_jax.results.answers.READINGS`
  "workers": 0,  # experiments at a time; 0: one per core
  "bases": {},  # configs of experiments that cells start from, by name
  # each {"labels": {...}, "base": "NAME", "set": {"dotted.key": value}}; "set"
  # may be left out
  "cells": (),
}

KINDS = {
  "experiment": EXPERIMENT,
  "calibration": CALIBRATION,
  "study": STUDY,
  "audit": AUDIT,
}


def defaults(kind: str = "experiment") -> Any:
  """A config of the given kind with all keys at their defaults.

  In the default experiment, two parties hold the left and right halves of the
  digits that ship with scikit-learn.

  Args:
    kind: "experiment", "calibration", "study" or "audit".

  >>> defaults().data.name, defaults("calibration").grid.classes
  ('digits', (2, 10, 100))
  """
  config = ml_collections.ConfigDict(copy.deepcopy(KINDS[kind]))
  if "model" in config:
    config.model = model(**config.model)
  return config


def model(
  name: str, cut: int = -1, **options: Any
) -> ml_collections.ConfigDict:
  """The model section of a config.

  Args:
    name: key of `vfl_jax.models.MODELS`, or `package.module:builder`.
    cut: number of stages at the parties; -1 for the architecture's reference
      cut.
    **options: options of the builder.
  """
  return ml_collections.ConfigDict(
    {"name": name, "cut": cut, **options}, allow_dotted_keys=False
  )
