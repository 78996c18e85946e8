"""CIFAR-10 in two halves, resnet20, reference cut.

  python main.py --config=configs/baselines/cifar10_resnet20.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_resnet20",
    arg,
    data=dict(name="cifar10"),
    model=common.model("resnet20"),
    train=dict(epochs=100, batch_size=128, learning_rate=0.1),
    cpu={
      "model.width": 8,
      "train.epochs": 20,
      "train.batch_size": 64,
      "evaluate.attack_steps": 200,
      "data.train_size": 3000,
      "information.samples": 800,
    },
  )
