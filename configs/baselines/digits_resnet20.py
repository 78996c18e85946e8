"""Digits (8x8, bundled) in two halves, resnet20, reference cut.

  python main.py --config=configs/baselines/digits_resnet20.py

Results: docs/results/README.md.
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
