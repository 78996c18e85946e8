"""CIFAR-10 in two halves, resnet20, reference cut.

  python main.py --config=configs/cifar10_resnet20.py

The full experiment and its cpu profile have not been measured yet; CI runs
one step of it.
"""

from configs import common


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
