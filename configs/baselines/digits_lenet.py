"""Digits (8x8, bundled) in two halves, lenet, reference cut.

  python main.py --config=configs/baselines/digits_lenet.py

Profile cpu (not the full experiment), 3 seeds: test accuracy 0.978 [0.978,
0.978]. Passive completion on test rows: party 0 0.742 against 0.655 (features
only), advantage +0.087 [+0.037, +0.137]; party 1 0.807 against 0.779 (no-
VFL), advantage +0.028 [-0.048, +0.104].
"""

from configs.shared import common


def get_config(arg: str = ""):
  return common.experiment(
    "digits_lenet",
    arg,
    data=dict(name="digits"),
    model=common.model("lenet"),
    train=dict(epochs=30),
    cpu={"evaluate.attack_steps": 1000},
  )
