"""CIFAR-10 in two halves, resnet20 cut after its first stage.

  python main.py --config=configs/cifar10_cut1.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.379 [0.319,
0.438]. Passive completion on test rows: party 0 0.145 against 0.172 (features
only), advantage -0.027 [-0.053, -0.001]; party 1 0.145 against 0.173
(features only), advantage -0.028 [-0.082, +0.026].
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
