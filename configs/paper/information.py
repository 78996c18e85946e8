"""Does information about the labels grow with depth? Twelve pairs.

python main.py --config=configs/paper/information.py:cpu
"""

from configs.baselines import breast_cancer_deepfm
from configs.baselines import breast_cancer_mlp
from configs.baselines import cifar10_lenet
from configs.baselines import credit_default_deepfm
from configs.baselines import credit_default_mlp
from configs import default
from configs.baselines import digits_lenet
from configs.baselines import digits_resnet20
from configs.baselines import digits_vgg
from configs.baselines import fashion_mnist_lenet
from configs.baselines import fashion_mnist_mlp
from configs.shared import studies
from configs.baselines import trec_transformer

_PAIRS = {
  ("digits", "mlp"): default,
  ("digits", "lenet"): digits_lenet,
  ("digits", "vgg"): digits_vgg,
  ("digits", "resnet20"): digits_resnet20,
  ("fashion_mnist", "mlp"): fashion_mnist_mlp,
  ("fashion_mnist", "lenet"): fashion_mnist_lenet,
  ("cifar10", "lenet"): cifar10_lenet,
  ("breast_cancer", "mlp"): breast_cancer_mlp,
  ("breast_cancer", "deepfm"): breast_cancer_deepfm,
  ("credit_default", "mlp"): credit_default_mlp,
  ("credit_default", "deepfm"): credit_default_deepfm,
  ("trec", "transformer"): trec_transformer,
}


def get_config(arg: str = ""):
  return studies.study(
    "information",
    arg,
    "information",
    {f"{data}_{model}": module for (data, model), module in _PAIRS.items()},
    [
      {
        "labels": {"data": data, "model": model},
        "base": f"{data}_{model}",
      }
      for data, model in _PAIRS
    ],
    every={
      "compensation": (),
      "attacks": (),
      "information.estimators": ("classifier", "mine"),
    },
    cpu={f"{data}_{model}": {"seeds": 3} for data, model in _PAIRS},
    few=(0, 1, 7),
  )
