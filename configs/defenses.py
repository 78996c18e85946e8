"""Every defence over its strengths, alone and with the cut advanced.

python main.py --config=configs/defenses.py:cpu
"""

from configs.baselines import credit_default_mlp
from configs import default
from configs.baselines import fashion_mnist_lenet
from configs.shared import strengths

_BASES = {
  "digits": (default, 10),
  "credit_default": (credit_default_mlp, 2),
  "fashion_mnist": (fashion_mnist_lenet, 10),
}
_CPU = {
  "digits": {"train.epochs": 20},
  "credit_default": {"train.epochs": 10},
  "fashion_mnist": {
    "seeds": 5,
    "attacks": strengths.FROZEN_ATTACKS,
    "train.epochs": 5,
    "data.train_size": 5000,
    "data.test_size": 3000,
    "data.validation": 0.02,  # of 60,000
    "evaluate.attack_steps": 200,
    "model.channels": (4, 8),
    "model.hidden": (64, 32),
  },
}


def get_config(arg: str = ""):
  return strengths.study("defenses", arg, _BASES, _CPU)
