"""CIFAR-10 in two halves, vgg, reference cut.

  python main.py --config=configs/baselines/cifar10_vgg.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_vgg",
    arg,
    data=dict(name="cifar10"),
    model=common.model("vgg"),
    train=dict(epochs=60, batch_size=128, learning_rate=0.05),
    cpu={
      "train.epochs": 15,
      "train.batch_size": 64,
      "evaluate.attack_steps": 300,
      "model.channels": (16, 32, 64),
      "model.hidden": (64,),
    },
  )
