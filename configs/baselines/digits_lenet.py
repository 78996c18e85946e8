"""Digits (8x8, bundled) in two halves, lenet, reference cut.

  python main.py --config=configs/baselines/digits_lenet.py

Results: docs/results/README.md.
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
