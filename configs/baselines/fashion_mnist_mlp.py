"""Fashion-MNIST in two halves, mlp, reference cut.

  python main.py --config=configs/baselines/fashion_mnist_mlp.py

Profile cpu (not the full experiment), 5 seeds: test accuracy 0.837 [0.832,
0.841]. Passive completion on test rows: party 0 0.693 against 0.565 (no-VFL),
advantage +0.127 [+0.075, +0.180]; party 1 0.639 against 0.580 (no-VFL),
advantage +0.059 [+0.021, +0.097].
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
