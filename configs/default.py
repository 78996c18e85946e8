"""The default: digits in two halves, an MLP, about a minute on two cores.

python main.py
"""

from vfl_jax import config as configs


def get_config(arg: str = ""):
  del arg
  return configs.defaults()
