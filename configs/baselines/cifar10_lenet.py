"""CIFAR-10 in two halves, lenet, reference cut.

  python main.py --config=configs/baselines/cifar10_lenet.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.414 [0.407,
0.421]. Passive completion on test rows: party 0 0.260 against 0.198 (features
only), advantage +0.062 [-0.080, +0.205]; party 1 0.276 against 0.184
(features only), advantage +0.091 [-0.048, +0.230].
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
