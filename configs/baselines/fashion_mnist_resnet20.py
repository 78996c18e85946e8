"""Fashion-MNIST in two halves, resnet20, reference cut.

  python main.py --config=configs/baselines/fashion_mnist_resnet20.py

Results: docs/results/README.md.
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
