"""CIFAR-10 in two halves, vgg, reference cut.

  python main.py --config=configs/baselines/cifar10_vgg.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.454 [0.440,
0.468]. Passive completion on test rows: party 0 0.299 against 0.192 (features
only), advantage +0.108 [-0.036, +0.251]; party 1 0.266 against 0.180
(features only), advantage +0.085 [-0.022, +0.193].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "cifar10_vgg",
    arg,
    data=dict(name="cifar10"),
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
