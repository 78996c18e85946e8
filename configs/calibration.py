"""Estimators of I(T;Y) on problems whose truth is known.

  python main.py --config=configs/calibration.py:cpu

Mean absolute error as a share of log(classes), at most 1 each, over 1,296
problems (500 to 10,000 samples, 2 to 256 columns, 2 to 100 classes, 3 levels,
4 shapes, 3 seeds): neighbors 0.174, infonce 0.184, classifier 0.187, mine
0.229, nwj 0.233, smile 0.248, jsd 0.278. With at least 2,000 samples and 16
columns and at most 10 classes the classifier wins. The cpu profile takes 75
minutes of one core.
"""

import ml_collections

from configs.shared import common
from vfl_jax.config import schema

_CPU = {
  "seeds": 3,
  # without mine's concatenated critic, which takes ten times as long
  "estimators": tuple(
    e for e in schema.defaults("calibration").estimators if isinstance(e, str)
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
  config = schema.defaults("calibration")
  return common.argued(config, arg, {"cpu": _CPU, "step": _STEP})
