"""CIFAR-10 in two halves, resnet20, reference cut.

  python main.py --config=configs/baselines/cifar10_resnet20.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.381 [0.328,
0.435]. Passive completion on test rows: party 0 0.260 against 0.172 (features
only), advantage +0.088 [-0.001, +0.177]; party 1 0.273 against 0.173
(features only), advantage +0.100 [-0.040, +0.239].
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
