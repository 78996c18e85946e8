"""The default: digits in two halves, an MLP, about a minute on two cores.

  python main.py

RESULT
"""

from configs import common


def get_config(arg: str = ""):
  return common.experiment(
    "digits_mlp",
    arg,
    seeds=5,
    information=dict(samples=1200, steps=250),
    evaluate=dict(attack_steps=1500),
  )
