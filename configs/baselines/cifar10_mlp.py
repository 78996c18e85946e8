"""CIFAR-10 in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/cifar10_mlp.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_mlp",
    arg,
    data=dict(name="cifar10"),
    model=common.model("mlp"),
    train=dict(epochs=30, batch_size=128, learning_rate=0.05),
    cpu={"train.epochs": 20, "train.batch_size": 64, "seeds": 5},
  )
