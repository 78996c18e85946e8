"""CIFAR-10 in two halves, resnet20 cut behind its first stage.

  python main.py --config=configs/cifar10_cut1.py

The full experiment and its cpu profile have not been measured yet; CI runs
one step of it.
"""

from configs import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_cut1",
    arg,
    data=dict(name="cifar10"),
    model=common.model("resnet20", cut=1),
    train=dict(epochs=100, batch_size=128, learning_rate=0.1),
    cpu={
      "train.epochs": 8,
      "train.batch_size": 64,
      "evaluate.attack_steps": 60,
      "data.train_size": 3000,
      "information.samples": 800,
    },
  )
