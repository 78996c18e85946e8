"""Digits (8x8, bundled) in two halves, resnet20, reference cut.

  python main.py --config=configs/baselines/digits_resnet20.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.974 [0.957,
0.991]. Passive completion on test rows: party 0 0.730 against 0.655 (features
only), advantage +0.075 [-0.049, +0.198]; party 1 0.836 against 0.767
(features only), advantage +0.069 [-0.071, +0.209].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "digits_resnet20",
    arg,
    data=dict(name="digits"),
    model=common.model("resnet20"),
    train=dict(epochs=30),
    cpu={"train.epochs": 20, "evaluate.attack_steps": 300},
  )
