"""Digits (8x8, bundled) in two halves, vgg, reference cut.

  python main.py --config=configs/baselines/digits_vgg.py

Results: docs/results/README.md.
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
