"""Who does the work, bottoms or top? Three measurements at every cut.

python main.py --config=configs/paper/compensation.py:cpu
"""

from configs.baselines import credit_default_mlp
from configs import default
from configs.baselines import fashion_mnist_lenet
from configs.shared import studies

# by name: the module and its stages
_BASES = {
  "digits": (default, 8),
  "credit_default": (credit_default_mlp, 7),
  "fashion_mnist": (fashion_mnist_lenet, 9),
}
_CPU = {
  "model.channels": (4, 8),
  "model.hidden": (64, 32),
  "data.train_size": 5000,
}


def get_config(arg: str = ""):
  return studies.study(
    "compensation",
    arg,
    "compensation",
    {base: module for base, (module, _) in _BASES.items()},
    [
      {
        "labels": {"data": base, "cut": cut},
        "base": base,
        "set": {"model.cut": cut},
      }
      for base, (_, stages) in _BASES.items()
      for cut in range(1, stages)
    ],
    every={
      "information.estimators": (),
      "compensation": ("frozen_bottoms", "fresh_top", "central_twin"),
      "attacks": (),
    },
    cpu={"fashion_mnist": _CPU},
    few=(0, 6, -1),
  )
