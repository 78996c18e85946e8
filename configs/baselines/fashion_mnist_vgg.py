"""Fashion-MNIST in two halves, vgg, reference cut.

  python main.py --config=configs/baselines/fashion_mnist_vgg.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.857 [0.837,
0.877]. Passive completion on test rows: party 0 0.677 against 0.585 (no-VFL),
advantage +0.093 [+0.067, +0.118]; party 1 0.720 against 0.541 (features
only), advantage +0.179 [-0.054, +0.412].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "fashion_mnist_vgg",
    arg,
    data=dict(name="fashion_mnist"),
    model=common.model("vgg"),
    train=dict(epochs=60, batch_size=128, learning_rate=0.05),
    cpu={
      "train.epochs": 15,
      "train.batch_size": 64,
      "evaluate.attack_steps": 300,
      "model.channels": (16, 32, 64),
      "model.hidden": (64,),
    },
  )
