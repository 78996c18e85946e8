"""Defences with and without the cut advanced, on three more pairs.

python main.py --config=configs/paper/combined.py:cpu

One strength of each defence, the middle one; `configs/defenses.py` has all of
them.
"""

from configs.baselines import breast_cancer_mlp
from configs.baselines import digits_lenet
from configs.baselines import fashion_mnist_mlp
from configs.shared import strengths

_BASES = {
  "digits": (digits_lenet, 10),
  "breast_cancer": (breast_cancer_mlp, 2),
  "fashion_mnist": (fashion_mnist_mlp, 10),
}
_CPU = {
  "digits": {
    "train.epochs": 15,
    "model.channels": (4, 8),
    "model.hidden": (64, 32),
    "evaluate.attack_steps": 200,
  },
  "breast_cancer": {"train.epochs": 15},
  "fashion_mnist": {"train.epochs": 10, "data.train_size": 5000},
}


def get_config(arg: str = ""):
  return strengths.study(
    "combined", arg, _BASES, _CPU, advances=(0, 3), middle=True
  )
