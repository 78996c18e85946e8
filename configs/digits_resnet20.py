"""Digits (8x8, bundled) in two halves, resnet20, reference cut.

  python main.py --config=configs/digits_resnet20.py

The full experiment and its cpu profile have not been measured yet; CI runs
one step of it.
"""

from configs import common


def get_config(arg: str = ""):
  return common.experiment(
    "digits_resnet20",
    arg,
    data=dict(name="digits"),
    model=common.model("resnet20"),
    train=dict(epochs=30),
    cpu={"train.epochs": 20, "evaluate.attack_steps": 300},
  )
