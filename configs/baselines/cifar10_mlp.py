"""CIFAR-10 in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/cifar10_mlp.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.372 [0.365,
0.379]. Passive completion on test rows: party 0 0.255 against 0.198 (features
only), advantage +0.057 [+0.041, +0.074]; party 1 0.244 against 0.189
(features only), advantage +0.054 [-0.007, +0.116].
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
