"""Fashion-MNIST in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/fashion_mnist_mlp.py

Results: docs/results/README.md.
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fashion_mnist_mlp",
    arg,
    data=dict(name="fashion_mnist"),
    model=common.model("mlp"),
    train=dict(epochs=30, batch_size=128, learning_rate=0.05),
    cpu={"train.epochs": 20, "train.batch_size": 64, "seeds": 5},
  )
