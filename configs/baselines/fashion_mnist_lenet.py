"""Fashion-MNIST in two halves, lenet, reference cut.

  python main.py --config=configs/baselines/fashion_mnist_lenet.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.854 [0.840,
0.867]. Passive completion on test rows: party 0 0.661 against 0.607 (no-VFL),
advantage +0.055 [-0.062, +0.172]; party 1 0.689 against 0.571 (no-VFL),
advantage +0.118 [-0.089, +0.325].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fashion_mnist_lenet",
    arg,
    data=dict(name="fashion_mnist"),
    model=common.model("lenet"),
    train=dict(epochs=30, batch_size=128, learning_rate=0.05),
    cpu={
      "train.epochs": 15,
      "train.batch_size": 64,
      "evaluate.attack_steps": 600,
    },
  )
