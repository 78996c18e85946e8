"""Every key of a config and its default, by the kind of work it asks for."""

import copy
from typing import Any

import ml_collections

EXPERIMENT: dict[str, Any] = {
  "kind": "experiment",
  "name": "digits_mlp",
  # "full", or "cpu"/"step" where a run was cut to a small budget
  "profile": "full",
  "seed": 0,
  "seeds": 3,
  # of matrix products and convolutions; everything else is float32
  "precision": "float32",
  # devices that rows and seeds are split over, and the hosts that they are on
  "mesh": {"data": 1, "seed": 1, "hosts": 1},
  "data": {
    "name": "digits",
    "path": "",  # the user's own file; one per party with commas
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
    # also after so many epochs, by the first estimator; 0: untrained
    "epochs": (),
    # I(X;T) of layers with so much noise, as a share of their spread
    "noise": 0.0,
  },
  "compensation": ("frozen_bottoms", "fresh_top", "central_twin"),
  "attacks": ("passive_completion",),
  "evaluate": {
    "aux_per_class": 4,
    "aux_draws": 5,  # of the auxiliary samples, per seed
    "label_prior": False,  # whether the parties know the class shares
    "metric": "accuracy",
    "attack_steps": 400,
    "ceiling_steps": 1500,  # of the ceiling's heads; or attack_steps if more
    "exposure": ("test",),  # rows whose features are rebuilt, "validation" too
    "coalitions": (),  # e.g. ((0, 1),): passive parties that act as one
    # how much each party's features say about the task, by learners that know
    # nothing of the federation
    "alignment": False,
    # score the best epoch and variant by the true labels too, as published
    # code does; such numbers are marked
    "oracle": False,
  },
  # messages: "per_sample", or "averaged" where a party sees no cut gradients
  # but those of its own weights, averaged over a batch
  "record": {"epochs": (), "samples": 0, "messages": "per_sample"},
}

# estimators of I(T;Y) against problems whose truth is known
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

# one experiment at every cut, and which of them to take
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
    "gradient_clustering",
    "similarity",
    {"name": "similarity", "on": "embeddings", "label": "similar embeddings"},
    "spectral",
    "feature_inversion",
    "adaptive",
  ),
  "audit": {
    "cuts": (),  # empty: all there are
    # each is tried at every cut: a name, a dict, or a tuple of both
    "defenses": (),
    "protect": "labels",  # "labels", "features" or "both"
    "max_utility_loss": 0.01,  # of the metric, to the reference cut
    "max_leakage": 1.0,  # of what guessing leaves of the labels; 1: any
    "max_exposed": 1.0,  # share of the features rebuilt; 1: any
    "max_bytes": 0,  # a sample, up and down; 0: any
    "workers": 0,  # experiments at a time; 0: one per core
  },
}

# many experiments, read side by side
STUDY: dict[str, Any] = {
  "kind": "study",
  "name": "study",
  "profile": "full",
  "question": "tradeoff",  # what is read from the cells
  "workers": 0,  # experiments at a time; 0: one per core
  "bases": {},  # configs of experiments, by name
  # {"labels": {...}, "base": "NAME", "set": {"dotted.key": value}}, where
  # "set" may be left out
  "cells": (),
}

KINDS = {
  "experiment": EXPERIMENT,
  "calibration": CALIBRATION,
  "study": STUDY,
  "audit": AUDIT,
}


def defaults(kind: str = "experiment") -> Any:
  """Every key a config of this kind has; for "experiment" the default one.

  Two parties hold the left and right half of the digits that ship inside
  scikit-learn.

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
  """A model section; options beyond name and cut are the builder's own.

  Args:
    name: a key of `vfl_jax.models.MODELS`, or `package.module:builder`.
    cut: stages at the parties; -1 is the architecture's reference cut.
    **options: keywords of the builder.
  """
  return ml_collections.ConfigDict(
    {"name": name, "cut": cut, **options}, allow_dotted_keys=False
  )
