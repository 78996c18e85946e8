"""Digits (8x8, bundled) in two halves, vgg, reference cut.

  python main.py --config=configs/baselines/digits_vgg.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.978 [0.961,
0.995]. Passive completion on test rows: party 0 0.724 against 0.655 (features
only), advantage +0.069 [-0.003, +0.141]; party 1 0.795 against 0.767
(features only), advantage +0.028 [-0.125, +0.180].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "digits_vgg",
    arg,
    data=dict(name="digits"),
    model=common.model("vgg", channels=(16, 32, 64), hidden=(64,)),
    train=dict(epochs=30),
    cpu={"train.epochs": 15, "evaluate.attack_steps": 300},
  )
