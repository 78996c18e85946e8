"""Every defence over its strengths, alone and with the cut advanced.

python main.py --config=configs/defenses.py:cpu
"""

from configs import common
from configs import credit_default_mlp
from configs import default
from configs import fashion_mnist_lenet
from configs import ranges
from vfl_jax import config as configs

_CLASSES = {"digits": 10, "credit_default": 2, "fashion_mnist": 10}
_CONFIGS = default, credit_default_mlp, fashion_mnist_lenet
_CPU = {
  "digits": {"train.epochs": 20},
  "credit_default": {"train.epochs": 10},
  "fashion_mnist": {
    "train.epochs": 5,
    "data.train_size": 5000,
    "evaluate.attack_steps": 200,
    "model.channels": (4, 8),
    "model.hidden": (64, 32),
  },
}


def get_config(arg: str = ""):
  config = configs.defaults("study")
  config.name = "defenses"
  for name, module in zip(_CLASSES, _CONFIGS):
    config.bases[name] = ranges.measured(module, arg, _CPU[name])
  # where a top normalises, as those of the images do, gradients say little
  config.bases.credit_default.model.norm = "none"
  config.cells = ranges.defended(_CLASSES)
  few = (config.cells[0], *config.cells[3:5], config.cells[-1])
  return common.argued(config, arg, {"cpu": {}, "step": {"cells": few}})
