"""CIFAR-10 in two halves, resnet20 cut after its first stage.

  python main.py --config=configs/cifar10_cut1.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_cut1",
    arg,
    data=dict(name="cifar10"),
    model=common.model("resnet20", cut=1),
    train=dict(epochs=100, batch_size=128, learning_rate=0.1),
    cpu={
      "model.width": 8,
      "train.epochs": 20,
      "train.batch_size": 64,
      "evaluate.attack_steps": 200,
      "data.train_size": 3000,
      "information.samples": 800,
      "compensation": (),  # nearly all of the network is the top
    },
  )
