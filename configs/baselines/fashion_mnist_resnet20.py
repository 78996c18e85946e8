"""Fashion-MNIST in two halves, resnet20, reference cut.

  python main.py --config=configs/baselines/fashion_mnist_resnet20.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.840 [0.808,
0.872]. Passive completion on test rows: party 0 0.618 against 0.561 (features
only), advantage +0.057 [-0.091, +0.205]; party 1 0.653 against 0.581
(features only), advantage +0.072 [+0.049, +0.095].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fashion_mnist_resnet20",
    arg,
    data=dict(name="fashion_mnist"),
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
