"""Estimators of I(T;Y) on problems whose truth is known.

  python main.py --config=configs/calibration.py:cpu

RESULT
"""

import ml_collections

from configs import common
from vfl_jax import config as configs

_CPU = {
  "seeds": 3,
  # without mine's concatenated critic, which takes ten times as long
  "estimators": tuple(
    e for e in configs.defaults("calibration").estimators if isinstance(e, str)
  ),
}
_STEP = {
  "seeds": 1,
  "grid.samples": (100,),
  "grid.dimensions": (2,),
  "grid.classes": (2,),
  "grid.levels": (0.0, 0.5),
  "fit.steps": 1,
}


def get_config(arg: str = "") -> ml_collections.ConfigDict:
  config = configs.defaults("calibration")
  return common.argued(config, arg, {"cpu": _CPU, "step": _STEP})
