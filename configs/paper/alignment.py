"""Do attacks find more where one party's features say more of the label?

python main.py --config=configs/paper/alignment.py:cpu

Crossed tasks of a graded strength: the class that party 0 holds says nothing to
all of the label, that of party 1 nothing at any strength, and the main task is
a sum of both parties' classes throughout.
"""

from configs import default
from configs.baselines import credit_default_mlp
from configs.baselines import fashion_mnist_mlp
from configs.shared import studies

_BASES = {
  "digits": default,
  "fashion_mnist": fashion_mnist_mlp,
  "credit_default": credit_default_mlp,
}
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_EVERY = {
  **studies.BARE,
  "attacks": (
    "passive_completion",
    {"name": "similarity", "on": "embeddings", "label": "embedding similarity"},
    "supervised_embeddings",
    *("direction", "similarity", "supervised_gradients"),
  ),
  "evaluate.metric": "balanced_accuracy",
  "evaluate.alignment": True,
  "record.samples": 500,
}


def get_config(arg: str = ""):
  seeds = {} if arg.split(",")[0] == "step" else {"seeds": 10}
  return studies.study(
    "alignment",
    arg,
    "alignment",
    _BASES,
    [
      {
        "labels": {"data": base, "strength": strength},
        "base": base,
        "set": {"task": {"name": "cross", "copies": 10, "strength": strength}},
      }
      for base in _BASES
      for strength in STRENGTHS
    ],
    every={**_EVERY, **seeds},
    cpu={base: {"evaluate.attack_steps": 600} for base in _BASES},
  )
