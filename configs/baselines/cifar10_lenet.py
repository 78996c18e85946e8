"""CIFAR-10 in two halves, lenet, reference cut.

  python main.py --config=configs/baselines/cifar10_lenet.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_lenet",
    arg,
    data=dict(name="cifar10"),
    model=common.model("lenet"),
    train=dict(epochs=30, batch_size=128, learning_rate=0.05),
    cpu={
      "train.epochs": 15,
      "train.batch_size": 64,
      "evaluate.attack_steps": 600,
    },
  )
